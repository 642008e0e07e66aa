import { copyFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { Refusal } from '#libs/kernel';
import { type Certificates, certificates, type FakeReplica, files, replica } from './remote.fixture.js';
import { TlsIdentity } from './tls-identity.js';
import { ELSEWHERE_HEADER, Upstream, type UpstreamRequest } from './upstream.js';

const ok: RequestListener = (_request, response) => void response.end('yes');
const hangUp: RequestListener = (request) => void request.socket.destroy();
const silent: RequestListener = () => undefined;
const READ = { method: 'GET', path: '/x', deadlineMs: 3_000, repeatable: true } as const;
const WRITE = { method: 'POST', path: '/x', body: '{}', deadlineMs: 3_000, repeatable: false } as const;

describe('a service behind replicas', () => {
  let certs: Certificates;
  const running: FakeReplica[] = [];
  const open: Upstream[] = [];

  beforeAll(async () => {
    certs = await certificates(['gateway', 'registry', 'audit']);
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((upstream) => upstream.close()));
    await Promise.all(running.splice(0).map((each) => each.stop()));
  });
  afterAll(() => certs.remove());

  const start = async (answer: RequestListener, name = 'registry', port = 0) => {
    const made = await replica(certs.identity(name), answer, port);
    running.push(made);
    return made;
  };
  const upstream = (...urls: string[]) => {
    const made = new Upstream('registry', urls, certs.identity('gateway'));
    open.push(made);
    return made;
  };
  const text = async (to: Upstream, request: UpstreamRequest) => (await to.request(request)).body.text();
  const refusalOf = async (to: Upstream, request: UpstreamRequest) => {
    const error = await to.request(request).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(Refusal);
    expect((error as Refusal).code).toBe('platform.unavailable');
    return (error as Refusal).detail;
  };

  test('replicas take turns', async () => {
    const [a, b] = [await start(ok), await start(ok)];
    const to = upstream(a.url, b.url);
    for (let i = 0; i < 6; i += 1) expect(await text(to, READ)).toBe('yes');
    expect([a.seen.length, b.seen.length]).toEqual([3, 3]);
  });

  test('a replica that is gone is passed over, also for a write: it has never seen it', async () => {
    const [gone, there] = [await start(ok), await start(ok)];
    await gone.stop();
    const to = upstream(gone.url, there.url);
    for (let i = 0; i < 10; i += 1) expect(await text(to, WRITE)).toBe('yes');
    expect(there.seen).toHaveLength(10);
  });

  test('a read whose connection breaks is asked again elsewhere', async () => {
    const [bad, good] = [await start(hangUp), await start(ok)];
    const to = upstream(bad.url, good.url);
    for (let i = 0; i < 4; i += 1) expect(await text(to, READ)).toBe('yes');
    expect(bad.seen.length).toBeGreaterThan(0);
  });

  test('a write that may have been seen is not repeated: the caller is told', async () => {
    const bad = await start(hangUp);
    expect(await refusalOf(upstream(bad.url), WRITE)).toMatch(/^the registry service does not answer/);
    expect(bad.seen).toHaveLength(1);
  });

  test('a replica that stands by is passed over, also for a write', async () => {
    const standby = await start(
      (_request, response) => void response.writeHead(503, { [ELSEWHERE_HEADER]: '1' }).end(),
    );
    const leader = await start(ok);
    const to = upstream(standby.url, leader.url);
    for (let i = 0; i < 8; i += 1) expect(await text(to, WRITE)).toBe('yes');
    expect(leader.seen).toHaveLength(8);
    expect(await refusalOf(upstream(standby.url), { ...WRITE, deadlineMs: 200 })).toContain('every replica stands by');
  });

  test('a request waits for the one replica that is just starting anew', async () => {
    const first = await start(ok);
    await first.stop();
    const answer = text(upstream(first.url), WRITE);
    setTimeout(() => void start(ok, 'registry', Number(new URL(first.url).port)), 300);
    expect(await answer).toBe('yes');
  });

  test('no answer within the deadline is a refusal', async () => {
    const slow = await start(silent);
    expect(await refusalOf(upstream(slow.url), { ...READ, deadlineMs: 200 })).toContain('no answer in time');
  });

  test('a replica that keeps failing rests: the next request does not reach it', async () => {
    const bad = await start(hangUp);
    const to = upstream(bad.url);
    for (let i = 0; i < 5; i += 1) await refusalOf(to, WRITE);
    const before = bad.seen.length;
    await refusalOf(to, { ...WRITE, deadlineMs: 100 });
    expect(bad.seen).toHaveLength(before);
  });

  test('a stranger of the same authority does not pass for the service', async () => {
    const other = await start(ok, 'audit');
    expect(await refusalOf(upstream(other.url), { ...READ, deadlineMs: 300 })).toContain(
      'audit answers in the place of registry',
    );
    expect(other.seen).toEqual([]);
  });

  test('a service of another authority is not believed, and does not believe us', async () => {
    const foreign = await certificates(['registry', 'gateway']);
    const there = await replica(foreign.identity('registry'), ok);
    running.push(there);
    await refusalOf(upstream(there.url), { ...READ, deadlineMs: 300 });
    const here = await start(ok);
    const stranger = new Upstream('registry', [here.url], foreign.identity('gateway'));
    open.push(stranger);
    await refusalOf(stranger, { ...READ, deadlineMs: 300 });
    expect([...there.seen, ...here.seen]).toEqual([]);
    foreign.remove();
  });

  test('an expired certificate, or another authority’s, is said in one sentence at the start', async () => {
    const old = await certificates(['registry'], -1);
    expect(() => old.identity('registry')).toThrow(/TLS_CERT_FILE: the certificate of registry expired on /);
    old.remove();
    const foreign = await certificates(['registry']);
    copyFileSync(join(certs.folder, 'ca.pem'), join(foreign.folder, 'ca.pem'));
    expect(() => foreign.identity('registry')).toThrow(/not signed by the authority/);
    expect(() => new TlsIdentity(files(foreign.folder, 'nobody'))).toThrow(/nobody\.pem cannot be read \(ENOENT\)/);
    foreign.remove();
  });
});
