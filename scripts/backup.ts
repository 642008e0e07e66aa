/**
 * Backs up an installation, running or not, by its own settings (MINGJING_*).
 * Usage: npm run backup -- --to <folder> --passphrase-file <file>
 */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { readPassphrase, takeBackup } from '#libs/backup';
import { readConfig } from '#libs/platform';

try {
  const { values } = parseArgs({ options: { to: { type: 'string' }, 'passphrase-file': { type: 'string' } } });
  if (values.to === undefined) throw new Error('Where to? Give --to, a folder that is not there yet.');
  const passphrase = readPassphrase(values['passphrase-file']);
  const { through, files, bytes, folder } = await takeBackup(readConfig(process.env), resolve(values.to), passphrase);
  const events = through === undefined ? 'no events (KurrentDB keeps them)' : `events 1 to ${through}`;
  process.stdout.write(`backup ok: ${events}, ${files} files, ${(bytes / 2 ** 20).toFixed(1)} MiB in ${folder}\n`);
} catch (error) {
  process.stderr.write(`backup failed: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
