import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type CrashReport, crashCampaign } from './crash.js';

const root = join(import.meta.dirname, '../..');
const compiled = join(root, 'dist/test/campaigns');
const writer = (...args: string[]) => [process.execPath, join(compiled, 'crash-writer.js'), ...args];

/** The processes that are killed run the built program, as in production. */
beforeAll(async () => {
  if (existsSync(join(compiled, 'crash-writer.js'))) return;
  await promisify(execFile)(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], {
    cwd: root,
  });
}, 120_000);

const kills = Number(process.env.CRASH_KILLS ?? 20);

test('no acknowledged event is lost and none appears from nowhere, however often hub and database are killed', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [join(compiled, 'crash.js'), String(kills)], {
    cwd: root,
  });
  const report = JSON.parse(stdout.trim().split('\n').at(-1)!) as CrashReport;
  expect(report).toMatchObject({ campaign: 'crash', kills, lost: 0, phantom: 0 });
  expect(report.kills_in_flight).toBeGreaterThan(0);
  expect(report.acked).toBeGreaterThan(0);
}, 180_000);

test('control: a writer that acknowledges what is only in memory does lose', async () => {
  const report = await crashCampaign(2, writer('--memory-ack'));
  expect(report.lost).toBeGreaterThan(0);
}, 60_000);
