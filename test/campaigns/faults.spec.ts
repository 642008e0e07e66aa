import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const root = join(import.meta.dirname, '../..');
const program = join(root, 'dist/test/campaigns/faults.js');

/** What is killed are the built programs, as in production. */
beforeAll(async () => {
  if (existsSync(program)) return;
  await promisify(execFile)(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], {
    cwd: root,
  });
}, 120_000);

test('services, Kafka, PostgreSQL and the network fail under load: nothing is lost, doubled or reordered, and the controls do break', async () => {
  const run = promisify(execFile)(process.execPath, [program, '--short'], { cwd: root, maxBuffer: 16 * 1024 * 1024 });
  const { stdout } = await run.catch((error: { stdout: string }) => {
    process.stderr.write(error.stdout); // which case broke, and how
    return error;
  });
  expect(JSON.parse(stdout.trim().split('\n').at(-1)!)).toEqual({
    campaign: 'faults',
    cases: 7,
    failed: 0,
    lost: 0,
    doubled: 0,
    reordered: 0,
    controls_failed_as_expected: 2,
  });
}, 600_000);
