import { Refusal } from '#libs/kernel';
import { readConfig } from '#libs/platform';
import { type Hub, startHub } from './hub.js';

let hub: Hub | undefined;
let stopping = false;

async function stop(exitCode: number): Promise<void> {
  if (stopping) return;
  stopping = true;
  await hub?.stop();
  process.exit(exitCode);
}

function fail(error: unknown): void {
  const sentence = error instanceof Refusal ? error.detail : error instanceof Error ? error.message : String(error);
  process.stderr.write(`Mingjing cannot start: ${sentence}\n`);
  if (process.env.MINGJING_LOG_LEVEL === 'debug' && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  process.exit(1);
}

process.on('SIGINT', () => void stop(0));
process.on('SIGTERM', () => void stop(0));

try {
  const started = performance.now();
  hub = await startHub(readConfig(process.env));
  void hub.failed.then((reason) => {
    process.stderr.write(`Mingjing stops: ${reason}\n`);
    return stop(1);
  });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stdout.write(`Mingjing 明镜 is ready after ${seconds} s: ${hub.url}\n  API reference: ${hub.url}/api\n`);
  if (hub.administratorCode !== undefined) {
    process.stdout.write(
      `  One-time administrator credential (valid 24 h): ${hub.administratorCode}\n` +
        '  Enrol with it: POST /api/v1/enrolments {"code", "username", "password"}\n',
    );
  }
  process.stdout.write('  Ctrl-C stops it.\n');
} catch (error) {
  fail(error);
}
