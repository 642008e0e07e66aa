#!/usr/bin/env node
import { Command } from 'commander';
import { verifyClipFiles } from './verify-clip.js';

const program = new Command('mingjing')
  .description('Checks that need no server and no database')
  .showHelpAfterError()
  .exitOverride();

program
  .command('verify-clip')
  .description('Check a clip against its signed manifest; exit code 0: good, 1: bad, 2: cannot be checked')
  .argument('<mp4>', 'the clip')
  .argument('<manifest>', 'its manifest (.dsse.json)')
  .requiredOption('--key <pem>', 'public key of the hub that made it (PEM)')
  .option('--json', 'answer in JSON')
  .action(async (mp4: string, manifest: string, { key, json }: { key: string; json?: true }) => {
    const { exitCode, report, sentences } = await verifyClipFiles(mp4, manifest, key);
    process.stdout.write(json ? `${JSON.stringify(report)}\n` : sentences.map((line) => `${line}\n`).join(''));
    process.exitCode = exitCode;
  });

try {
  await program.parseAsync();
} catch (error) {
  // Commander has already said what is wrong with the arguments.
  const { code, exitCode } = error as { code?: unknown; exitCode?: number };
  if (typeof code !== 'string' || !code.startsWith('commander.')) throw error;
  process.exitCode = exitCode === 0 ? 0 : 2;
}
