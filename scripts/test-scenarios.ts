import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const { values } = parseArgs({ options: { mode: { type: 'string' } } });
const MODES = ['hub', 'services', 'kurrentdb'];

/** Runs the scenarios in one composition, or in each. */
function main(): number {
  const { mode } = values;
  if (mode !== undefined && !MODES.includes(mode)) {
    process.stderr.write(`--mode is one of ${MODES.join(', ')}\n`);
    return 2;
  }
  const jest = join('node_modules', 'jest', 'bin', 'jest.js');
  const args = ['--experimental-vm-modules', '--no-warnings', jest, 'test/scenarios'];
  if (mode === 'kurrentdb') {
    process.stdout.write(
      'outage.spec is about PostgreSQL as event store; see kurrentdb-faults.int.spec for KurrentDB.\n',
    );
    args.push('--testPathIgnorePatterns', 'outage');
  }
  const env = { ...process.env, ...(mode === undefined ? {} : { SCENARIO_MODE: mode }) };
  return spawnSync(process.execPath, args, { stdio: 'inherit', env }).status ?? 1;
}

process.exitCode = main();
