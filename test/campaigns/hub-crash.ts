/**
 * Kills the built hub (SIGKILL) while 16 callers write over HTTP, every second time together with its PostgreSQL,
 * starts it again on the same data, repeats what was never answered under the same Idempotency-Key, and in the end
 * compares what was acknowledged with what the store holds. Usage: node dist/test/campaigns/hub-crash.js [kills]
 *
 * An acknowledgement is a 201 with its Mingjing-Position; nothing else is. What is counted are organisations, each
 * registered by one event. Exit status 1 when one is lost, one stands that should not, or no kill hit a write.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { PostgresEventStore } from '#libs/event-store';
import { freePort } from '#libs/platform';
import { startEmbeddedPostgres } from '../../libs/platform/embedded-postgres.js';
import { type HubProcess, startHubProcess } from '../services/hub-process.js';
import { enrol, type SignedIn, signIn } from '../services/sign-in.js';
import { type CrashReport, conclude, median } from './crash.js';

const KILLS = 20;
const CALLERS = 16;
const WRITE_MS_MIN = 100;
const WRITE_MS_MAX = 700;

/** One organisation that a caller asked for; its name is nobody else's. */
interface Asked {
  readonly name: string;
  readonly key: string;
  /** Position told with the 201. */
  acked?: string;
  /** Wall clock of the kill that came before an answer. */
  killedAt?: number;
}

/** What happened to the hub's data between two starts. */
interface Campaign {
  readonly dataDir: string;
  readonly port: number;
  readonly asked: Asked[];
  readonly recoveriesMs: number[];
  killsInFlight: number;
}

/**
 * @param kills how often the hub is killed
 * @param alter changes the hub's database, by the owner's address, before the first kill
 */
export async function hubCrashCampaign(
  kills: number,
  alter?: (ownerUrl: string) => Promise<void>,
): Promise<CrashReport> {
  const folder = mkdtempSync(join(tmpdir(), 'mingjing-hub-crash-'));
  const dataDir = join(folder, 'data');
  const campaign: Campaign = { dataDir, port: await freePort(), asked: [], recoveriesMs: [], killsInFlight: 0 };
  let hub: HubProcess | undefined;
  try {
    hub = await start(campaign);
    const operator = await signInOperator(hub);
    if (alter !== undefined) {
      await alter(ownerUrl(dataDir));
      await hub.stop(); // what is connected would keep the old settings
      hub = await start(campaign);
    }
    for (let kill = 0; kill < kills; kill += 1) {
      await writeAndKill(campaign, hub, await operator.token(), kill % 2 === 1);
      const killed = performance.now();
      hub = await start(campaign);
      campaign.recoveriesMs.push(performance.now() - killed);
      await repeatUnanswered(campaign, hub, await operator.token());
    }
    await hub.stop();
    return await compare(campaign, kills);
  } finally {
    await hub?.stop(); // its PostgreSQL with it, which would go on writing into the folder
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The same port each time: access tokens name it as their issuer and outlive the hub that made them. */
function start({ dataDir, port }: Campaign): Promise<HubProcess> {
  return startHubProcess({ MINGJING_DATA: dataDir, MINGJING_PORT: String(port), MINGJING_LOG_LEVEL: 'fatal' });
}

async function signInOperator({ url, administratorCode }: HubProcess): Promise<SignedIn> {
  const password = randomBytes(15).toString('base64url');
  return signIn(url, await enrol(url, administratorCode ?? '', 'operator', password));
}

/** Lets the callers write for a moment, then kills in mid-write. */
async function writeAndKill(campaign: Campaign, hub: HubProcess, token: string, withDatabase: boolean): Promise<void> {
  let killedAt: number | undefined;
  const open = new Set<Asked>();
  const callers = Array.from({ length: CALLERS }, async () => {
    while (killedAt === undefined) {
      const asked: Asked = { name: `测试单位 ${randomUUID()}`, key: randomUUID() };
      campaign.asked.push(asked);
      open.add(asked);
      await register(hub.url, token, asked);
      if (asked.acked === undefined && killedAt === undefined) throw new Error('a living hub did not register');
      if (asked.acked !== undefined) open.delete(asked);
    }
  });
  await sleep(WRITE_MS_MIN + Math.random() * (WRITE_MS_MAX - WRITE_MS_MIN));
  const database = withDatabase ? databaseProcesses(campaign.dataDir) : [];
  killedAt = Date.now();
  hub.child.kill('SIGKILL');
  for (const pid of database) killNow(pid);
  await Promise.all([...callers, hub.ended]);
  for (const asked of open) asked.killedAt = killedAt;
  if (open.size > 0) campaign.killsInFlight += 1;
}

/** Repeats what got no answer, under its own key, as a careful caller does. @throws Error when it is refused now */
async function repeatUnanswered({ asked }: Campaign, hub: HubProcess, token: string): Promise<void> {
  const unanswered = asked.filter(({ acked }) => acked === undefined);
  await Promise.all(unanswered.map((one) => register(hub.url, token, one)));
  const still = unanswered.filter(({ acked }) => acked === undefined).length;
  if (still > 0) throw new Error(`${still} repeated writes were refused by a hub that says it is ready`);
}

/** Sends the write once; notes the acknowledgement, if one came. */
async function register(url: string, token: string, asked: Asked): Promise<void> {
  try {
    const response = await fetch(`${url}/api/v1/organisations`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        'idempotency-key': asked.key,
      },
      body: JSON.stringify({
        name: asked.name,
        kind: 'administrative-department',
        level: 'prefecture',
        division: '5201',
      }),
    });
    const position = response.headers.get('mingjing-position');
    if (response.status === 201 && position !== null) asked.acked = position;
    await response.arrayBuffer();
  } catch {
    // killed before the whole answer was sent: what had come by then counts
  }
}

/** PostgreSQL's postmaster and its children: none of them gets the chance to write anything more. */
function databaseProcesses(dataDir: string): number[] {
  const postmaster = readFileSync(join(dataDir, 'postgres/cluster/postmaster.pid'), 'utf8').split('\n')[0]!;
  const children = readFileSync(`/proc/${postmaster}/task/${postmaster}/children`, 'utf8');
  return [postmaster, ...children.split(' ')].filter((pid) => pid !== '').map(Number);
}

function killNow(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it has ended
  }
}

/** Address of the running hub's database as owner. */
function ownerUrl(dataDir: string): string {
  const folder = join(dataDir, 'postgres');
  const { owner } = JSON.parse(readFileSync(join(folder, 'passwords.json'), 'utf8')) as { owner: string };
  const port = readFileSync(join(folder, 'cluster/postmaster.pid'), 'utf8').split('\n')[3]!;
  return `postgresql://mingjing_owner:${owner}@127.0.0.1:${port}/mingjing`;
}

/** The control: PostgreSQL acknowledges commits that are only in its memory yet. */
export async function forgetDurability(ownerUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: ownerUrl });
  await client.connect();
  await client.query('ALTER ROLE mingjing_service SET synchronous_commit = off');
  await client.end();
}

async function compare({ dataDir, asked, killsInFlight, recoveriesMs }: Campaign, kills: number): Promise<CrashReport> {
  const standing = new Map<string, { position: string; recordedAt: number }[]>();
  const postgres = await startEmbeddedPostgres({ dataDir: join(dataDir, 'postgres') });
  const store = new PostgresEventStore({ url: postgres.serviceUrl });
  for await (const event of store.readAll(0n, { types: ['OrganisationRegistered'] })) {
    const { name } = event.data as { name: string };
    if (!name.startsWith('测试单位 ')) continue; // the hub's own
    const one = { position: String(event.position), recordedAt: Date.parse(event.recordedAt) };
    standing.set(name, [...(standing.get(name) ?? []), one]);
  }
  await store.close();
  await postgres.stop();

  const acked = asked.filter((one) => one.acked !== undefined);
  const names = new Set(acked.map(({ name }) => name));
  const elsewhere = acked.filter(({ name, acked }) => standing.has(name) && standing.get(name)![0]!.position !== acked);
  const unasked = [...standing.keys()].filter((name) => !names.has(name)).length;
  const doubled = [...standing.values()].filter((events) => events.length > 1).length;
  const unanswered = asked.filter(({ killedAt }) => killedAt !== undefined);
  const durable = unanswered.filter(
    ({ name, killedAt }) => (standing.get(name)?.[0]?.recordedAt ?? Infinity) < killedAt!,
  );
  process.stderr.write(
    `${unanswered.length} writes unanswered at a kill, ${durable.length} of them recorded already; all repeated\n`,
  );
  return {
    campaign: 'crash',
    kills,
    kills_in_flight: killsInFlight,
    acked: acked.length,
    lost: acked.filter(({ name }) => !standing.has(name)).length,
    phantom: unasked + doubled + elsewhere.length,
    recovery_p50_ms: median(recoveriesMs),
  };
}

if (process.argv[1] === import.meta.filename) {
  const [kills = String(KILLS)] = process.argv.slice(2).filter((argument) => argument !== '--');
  conclude(await hubCrashCampaign(Number(kills)));
}
