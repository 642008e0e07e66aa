import { follow } from './feed.js';
import { Ledger } from './ledger.js';
import { readSchemas } from './message.js';
import { readSettings } from './settings.js';

/** node dist/examples/department-feed/main.js [--replay]; settings in README.md. */
const print = (line: string) => process.stdout.write(`${line}\n`);
try {
  const { schemas, databaseUrl, ...settings } = readSettings(process.env);
  const ledger = new Ledger(databaseUrl, readSchemas(schemas));
  try {
    if (process.argv.includes('--replay')) {
      await ledger.open();
      print(`${await ledger.replay()} dead letters taken`);
    } else {
      const stopping = new AbortController();
      for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stopping.abort());
      await follow({ ...settings, ledger, print, signal: stopping.signal });
    }
  } finally {
    await ledger.close();
  }
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
