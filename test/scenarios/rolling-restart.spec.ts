import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '#libs/platform';
import { type HubProcess, startHubProcess } from '../services/hub-process.js';
import { enrol, type SignedIn, signIn } from '../services/sign-in.js';

/** Reads and writes through the gateway that land in every service; counts what was not answered as it should be. */
class Users {
  readonly failures: string[] = [];
  answered = 0;
  /** Names of the organisations that the gateway has confirmed. */
  readonly written: string[] = [];
  #going = true;
  readonly #running: Promise<void>[];

  constructor(
    private readonly url: string,
    private readonly operator: SignedIn,
    private readonly prefix: string,
  ) {
    const paths = [
      'api/v1/sites',
      'api/v1/connections',
      'api/v1/grants',
      'api/v1/organisations',
      'api/v1/clips/public-key',
    ];
    this.#running = [...paths.map((path) => this.#ask(path)), this.#write()];
  }

  async stop(): Promise<void> {
    this.#going = false;
    await Promise.all(this.#running);
  }

  async #ask(path: string): Promise<void> {
    while (this.#going) await this.#send(`GET ${path}`, path, {}, [200, 403]);
  }

  async #write(): Promise<void> {
    for (let i = 0; this.#going; i += 1) {
      const body = { name: `${this.prefix} ${i}`, kind: 'managing-unit', level: 'county', division: '520103' };
      const headers = { 'content-type': 'application/json' };
      await this.#send(
        'POST organisation',
        'api/v1/organisations',
        { method: 'POST', headers, body: JSON.stringify(body) },
        [201],
      );
    }
  }

  async #send(what: string, path: string, init: RequestInit, wanted: readonly number[]): Promise<void> {
    try {
      const headers = { ...init.headers, authorization: `Bearer ${await this.operator.token()}` };
      const reply = await fetch(`${this.url}/${path}`, { ...init, headers });
      const text = await reply.text();
      if (reply.status === 201) this.written.push((JSON.parse(String(init.body)) as { name: string }).name);
      if (!wanted.includes(reply.status)) this.failures.push(`${what}: ${reply.status} ${text.slice(0, 200)}`);
      this.answered += 1;
    } catch (error) {
      this.failures.push(`${what}: ${String(error)} ${String((error as Error).cause)}`);
    }
    await sleep(10);
  }
}

/** Process id that a service has said when it started last. */
function pidOf(name: string, lines: readonly string[]): number {
  const line = lines.findLast((each) => each.startsWith(`${name} | started as process `));
  return Number(line?.split(' ').at(-1));
}

describe('separate services', () => {
  const folder = mkdtempSync(join(tmpdir(), 'rolling-'));
  const lines: string[] = [];
  let hub: HubProcess;
  let operator: SignedIn;

  beforeAll(async () => {
    const settings = { MINGJING_DATA: join(folder, 'data'), MINGJING_PORT: String(await freePort()) };
    hub = await startHubProcess(settings, (line) => lines.push(line), 'services');
    const person = await enrol(hub.url, hub.administratorCode!, 'operator', '高山流水-mirror-2026');
    operator = await signIn(hub.url, person);
  }, 90_000);
  afterAll(async () => {
    await hub?.stop();
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  const starts = () => lines.filter((line) => /^\w+ \| Mingjing.* is ready after /.test(line)).length;
  const until = async (count: number) => {
    while (starts() < count) await sleep(50);
  };

  test('the API is that of a hub in one process, behind one gateway', async () => {
    const settings = { MINGJING_DATA: join(folder, 'one'), MINGJING_PORT: String(await freePort()) };
    const one = await startHubProcess(settings);
    const pathsOf = async (url: string) => {
      const document = (await (await fetch(`${url}/api/openapi.json`)).json()) as { paths: Record<string, object> };
      return Object.entries(document.paths).flatMap(([path, methods]) =>
        Object.keys(methods).map((method) => `${method} ${path}`),
      );
    };
    const wanted = (await pathsOf(one.url)).sort();
    let found: string[] = [];
    for (let waited = 0; waited < 10_000 && found.length < wanted.length; waited += 100) {
      found = (await pathsOf(hub.url)).sort();
      await sleep(100);
    }
    await one.stop();
    expect(found).toEqual(wanted);
    // Each of them leads to its service: a stranger hears its refusal, not that there is no such thing.
    for (const operation of wanted.filter((each) => each.startsWith('get /api/v1/') && !each.includes('public-key'))) {
      const path = operation.slice(4).replaceAll(/\{[^}]+\}/g, '00000000-0000-7000-8000-000000000009');
      expect([operation, (await fetch(hub.url + path)).status]).toEqual([operation, 401]);
    }
  }, 60_000);

  test('a rolling restart of all of them refuses no request', async () => {
    const before = starts();
    const users = new Users(hub.url, operator, '甲');
    await sleep(500);
    hub.child.kill('SIGHUP');
    await until(before + 6);
    await sleep(500);
    await users.stop();
    expect(users.failures).toEqual([]);
    expect(users.answered).toBeGreaterThan(100);
    expect((await registered('甲')).sort()).toEqual(users.written.sort());
  }, 120_000);

  test('a service that is killed is started again; its users wait or are told to come again, the others notice nothing', async () => {
    const before = starts();
    const users = new Users(hub.url, operator, '乙');
    for (const name of ['registry', 'access', 'media']) {
      const pid = pidOf(name, lines);
      process.kill(pid, 'SIGKILL');
      await sleep(1_000);
    }
    await until(before + 3);
    await sleep(500);
    await users.stop();
    const told = /^GET api\/v1\/(sites|grants|clips\/public-key): 503 .*platform\.unavailable/;
    expect(users.failures.filter((failure) => !told.test(failure))).toEqual([]);
    expect((await registered('乙')).sort()).toEqual(users.written.sort());
  }, 120_000);

  /** Names of the organisations that begin so, each as often as it is registered. */
  async function registered(prefix: string): Promise<string[]> {
    const names: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const query: string = cursor === '' ? '' : `&cursor=${cursor}`;
      const reply = await fetch(`${hub.url}/api/v1/organisations?limit=100${query}`, {
        headers: { authorization: `Bearer ${await operator.token()}` },
      });
      const page = (await reply.json()) as { items: { name: string }[]; nextCursor: string | null };
      names.push(...page.items.map(({ name }) => name).filter((name) => name.startsWith(prefix)));
      cursor = page.nextCursor;
    }
    return names;
  }
});

describe('two processes of each service', () => {
  const folder = mkdtempSync(join(tmpdir(), 'replicated-'));
  const lines: string[] = [];
  let hub: HubProcess;
  let operator: SignedIn;

  beforeAll(async () => {
    const settings = { MINGJING_DATA: join(folder, 'data'), MINGJING_PORT: String(await freePort()) };
    hub = await startHubProcess(settings, (line) => lines.push(line), 'replicated');
    operator = await signIn(hub.url, await enrol(hub.url, hub.administratorCode!, 'operator', '高山流水-mirror-2026'));
  }, 120_000);
  afterAll(async () => {
    await hub?.stop();
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  test('of media one works, the other stands by; when one of each is killed no request is refused', async () => {
    const leads = (name: string) =>
      lines.some((line) => line.startsWith(`${name} | Mingjing media 明镜 is ready after `));
    const [leader, other] = leads('media') ? ['media', 'media-2'] : ['media-2', 'media'];
    expect(leads(other!)).toBe(false);
    const users = new Users(hub.url, operator, '丙');
    await sleep(500);
    for (const name of ['registry', 'integration-2', 'access', leader!]) {
      process.kill(pidOf(name, lines), 'SIGKILL');
      await sleep(500);
    }
    while (!leads(other!)) await sleep(50);
    await sleep(1_000);
    await users.stop();
    expect(users.failures).toEqual([]);
    expect(users.answered).toBeGreaterThan(100);
  }, 60_000);
});
