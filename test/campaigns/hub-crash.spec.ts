import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { forgetDurability, hubCrashCampaign } from './hub-crash.js';

/** What is killed is the built program, as in production. */
beforeAll(async () => {
  if (existsSync(join('dist', 'apps', 'hub', 'main.js'))) return;
  await promisify(execFile)(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json']);
}, 120_000);

test('a hub killed in mid-write keeps what it acknowledged, and a repeated write happens once', async () => {
  const report = await hubCrashCampaign(3);
  expect(report).toMatchObject({ campaign: 'crash', kills: 3, lost: 0, phantom: 0 });
  expect(report.kills_in_flight).toBeGreaterThan(0);
  expect(report.acked).toBeGreaterThan(0);
}, 180_000);

test('control: on a database that answers before a commit is on disk the same kills do lose', async () => {
  const report = await hubCrashCampaign(2, forgetDurability);
  expect(report.lost).toBeGreaterThan(0);
}, 180_000);
