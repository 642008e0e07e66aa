/**
 * Restores a backup into an empty place named by the settings (MINGJING_*), or only checks it.
 * Usage: npm run restore -- --from <folder> --passphrase-file <file> [--check]
 */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { checkBackup, readPassphrase, restoreBackup } from '#libs/backup';
import { readConfig } from '#libs/platform';

try {
  const { values } = parseArgs({
    options: {
      from: { type: 'string' },
      'passphrase-file': { type: 'string' },
      check: { type: 'boolean', default: false },
    },
  });
  if (values.from === undefined) throw new Error('Where from? Give --from, the folder of a backup.');
  const passphrase = readPassphrase(values['passphrase-file']);
  const from = resolve(values.from);
  const { takenAt, through, files, bytes } = values.check
    ? await checkBackup(from, passphrase)
    : await restoreBackup(readConfig(process.env), from, passphrase);
  const events = through === undefined ? 'no events (KurrentDB keeps them)' : `events 1 to ${through}`;
  const what = `${events}, ${files} files, ${(bytes / 2 ** 20).toFixed(1)} MiB, as of ${takenAt}`;
  process.stdout.write(`${values.check ? 'backup is whole' : 'restore ok'}: ${what}\n`);
} catch (error) {
  process.stderr.write(`restore failed: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
