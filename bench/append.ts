/**
 * Durable one-event appends a second, each to a stream of its own, at growing numbers of callers; beside a well-known
 * event store on the same server in the same run. Usage: node dist/bench/append.js [--seconds 4] [--no-peer]
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { migrateEventStore, PostgresEventStore } from '#libs/event-store';
import { type EventMetadata, newId } from '#libs/kernel';
import { startEmbeddedPostgres } from '../libs/platform/embedded-postgres.js';
import { closedLoop, type Measured } from './closed-loop.js';

const CALLERS = [1, 16, 64, 256];
const HEADLINE = 64;
const PEER = join(import.meta.dirname, '../../bench/peer');

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '4' }, 'no-peer': { type: 'boolean' } },
});
const seconds = Number(values.seconds);
const metadata: EventMetadata = {
  actor: { kind: 'person', id: newId(), organisationId: newId(), role: 'department-officer' },
  occurredAt: new Date().toISOString(),
  rules: ['gz117:16(1)'],
  correlationId: newId(),
};
const data = { camera: newId(), purpose: '突发事件现场查看', from: '2025-03-01T08:00:00.000Z', minutes: 30 };

async function ours(url: string): Promise<Record<string, Measured>> {
  const store = new PostgresEventStore({ url });
  const results: Record<string, Measured> = {};
  for (const callers of CALLERS) {
    results[callers] = await closedLoop(callers, seconds, () => {
      const event = { id: newId(), type: 'CameraSeen', version: 1, data, metadata };
      return store.append([{ stream: `camera-${event.id}`, expected: 'no-stream', events: [event] }]);
    });
    console.log(`${callers} callers: ${JSON.stringify(results[callers])}`);
  }
  await store.close();
  return results;
}

function peer(url: string): Record<string, Measured> {
  if (!existsSync(join(PEER, 'node_modules'))) {
    execFileSync('npm', ['ci', '--legacy-peer-deps', '--no-audit', '--no-fund'], { cwd: PEER, stdio: 'inherit' });
  }
  const env = { ...process.env, DATABASE_URL: url, EVENT: JSON.stringify({ data, metadata }) };
  const args = ['append.mjs', String(seconds), ...CALLERS.map(String)];
  const results = JSON.parse(execFileSync(process.execPath, args, { cwd: PEER, env, encoding: 'utf8' }));
  for (const callers of CALLERS) console.log(`${callers} callers, peer: ${JSON.stringify(results[callers])}`);
  return results as Record<string, Measured>;
}

const dataDir = mkdtempSync(join(tmpdir(), 'mingjing-bench-'));
const postgres = await startEmbeddedPostgres({ dataDir });
try {
  await migrateEventStore(postgres.ownerUrl, postgres.serviceRole);
  const byCallers = await ours(postgres.serviceUrl);
  const theirs = values['no-peer'] ? undefined : peer(postgres.ownerUrl);
  const version = JSON.parse(readFileSync(join(PEER, 'package.json'), 'utf8')).dependencies[
    '@event-driven-io/emmett-postgresql'
  ];
  const compared = theirs && {
    peer: `emmett-postgresql@${version}`,
    peer_per_s: theirs[HEADLINE]!.per_s,
    ratio: Math.round((10 * byCallers[HEADLINE]!.per_s) / theirs[HEADLINE]!.per_s) / 10,
    peer_by_callers: theirs,
  };
  const line = { bench: 'append', callers: HEADLINE, ...byCallers[HEADLINE], ...compared, by_callers: byCallers };
  console.log(JSON.stringify(line));
} finally {
  await postgres.stop();
  rmSync(dataDir, { recursive: true, force: true });
}
