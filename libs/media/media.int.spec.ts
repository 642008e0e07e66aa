import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { get, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { type EventStore, newEvent } from '#libs/event-store';
import {
  type CommandContext,
  type DomainEvent,
  defineEvents,
  newId,
  type Principal,
  type StreamEvents,
} from '#libs/kernel';
import { HUB_CONFIG, readConfig } from '#libs/platform';
import { KeyRing, SecretStore } from '#libs/vault';
import { type OneService, startOneService } from '../../test/services/one-service.js';
import { clipEvents } from './clip.events.js';
import { MediaModule } from './media.module.js';
import { AccessPort, type ExportAsk } from './ports.js';
import { recordingEvents } from './recording.events.js';
import { record, testVideo } from './recording.fixture.js';
import { merkleRoot } from './seal.js';
import { type Segment, SegmentIndex } from './segment-index.js';
import { signTicket, type TicketClaims } from './ticket.js';
import { verifyClip } from './verify-clip.js';

const NOON = Date.parse('2026-03-01T12:00:00.000Z');
const AT = '2026-03-02T09:00:00.000Z';
const iso = (ms: number) => new Date(ms).toISOString();

/** Events of other services, as far as the gateway and its stand-in of the access service need them. */
const anything = (meaning: string) =>
  ({ data: z.looseObject({}), version: 1, meaning: [meaning, meaning], since: '0.1', rules: [] }) as const;
const playbackEvents = defineEvents('access', 'playback', {
  PlaybackStarted: anything('s'),
  PlaybackStopped: anything('e'),
});
const grantEvents = defineEvents('access', 'grant', {
  GrantIssued: anything('i'),
  GrantRevoked: anything('r'),
});
const sessionEvents = defineEvents('access', 'retrievalSession', { RetrievalSessionOpened: anything('o') });
const connectionEvents = defineEvents('integration', 'connection', {
  ConnectionOpened: anything('c'),
  ConnectionClosed: anything('d'),
});

async function append(store: EventStore, declared: StreamEvents, id: string, event: DomainEvent): Promise<void> {
  const context: CommandContext = { actor: { kind: 'system', id: 'spec' }, at: AT, correlationId: newId(), newId };
  const events = [newEvent(declared, event, context)];
  await store.append([{ stream: `${declared.category}-${id}`, expected: 'any', events }]);
}

/** Stands for the access service: says yes and puts it on record, unless its store is said not to answer. */
class RecordingAccess extends AccessPort {
  store: EventStore | undefined;
  answers = true;
  readonly key = { kid: 'k1', ...generateKeyPairSync('ed25519') };
  readonly asked: ExportAsk[] = [];

  override start = (id: string) => this.#put(id, { type: 'PlaybackStarted', data: {} });
  override stopped = (id: string, reason: string, ranges: unknown) =>
    this.#put(id, { type: 'PlaybackStopped', data: { reason, ranges } });

  override async recheck(ids: readonly string[]) {
    return { stillAllowed: ids };
  }

  override async ticketKeys() {
    return [{ ...this.key.publicKey.export({ format: 'jwk' }), kid: 'k1' }];
  }

  override async authoriseExport(ask: ExportAsk) {
    this.asked.push(ask);
    const ids = { requestId: newId(), organisationId: officer.organisation.id };
    return { ...ids, basis: 'gz117:15.3', purpose: '执法', destination: '档案', caseNumber: '2026-1' } as const;
  }

  async #put(id: string, event: DomainEvent): Promise<void> {
    if (!this.answers) throw new Error('the event store does not answer');
    await append(this.store!, playbackEvents, id, event);
  }
}

class NoSecrets extends SecretStore {
  override put = async () => 'none';
  override get = async () => undefined;
}

const person = (organisationId: string): Principal => ({
  kind: 'person',
  id: newId(),
  organisation: {
    id: organisationId,
    kind: 'administrative-department',
    level: 'province',
    division: '52',
    powers: [],
  },
  roles: ['department-officer'],
  authenticatedAt: 0,
});
const officer = person(newId());

describe('the media gateway over HTTP on PostgreSQL', () => {
  const access = new RecordingAccess();
  const cameraId = newId();
  let folder: string;
  let service: OneService;
  let index: SegmentIndex;
  let segments: Segment[];
  let origin: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'media-'));
    const events = [playbackEvents, grantEvents, sessionEvents, connectionEvents, clipEvents, recordingEvents];
    service = await startOneService(MediaModule, events, AT, [
      { provide: HUB_CONFIG, useValue: readConfig({ MINGJING_DATA: folder, MINGJING_SOURCE_FOLDER: folder }) },
      { provide: KeyRing, useValue: new KeyRing(join(folder, 'keys')) },
      { provide: SecretStore, useClass: NoSecrets },
      { provide: AccessPort, useValue: access },
    ]);
    access.store = service.store;
    index = service.app.get(SegmentIndex);
    segments = await record(index, cameraId, NOON, testVideo(10));
    await service.app.listen(0, '127.0.0.1');
    origin = await service.app.getUrl();
  });
  afterAll(async () => {
    await service.stop();
    await rm(folder, { recursive: true });
  });

  function ticketFor(change: Partial<TicketClaims> = {}) {
    const iat = service.clock.now() / 1_000;
    const ids = { jti: newId(), sub: newId(), pid: newId(), gid: newId(), sid: newId(), cam: cameraId };
    const fixed = { iss: 'mingjing-access', aud: 'mingjing-media', iat, exp: iat + 60 } as const;
    const window = { mode: 'recorded', from: NOON + 2_000, to: NOON + 8_000 } as const;
    return signed({ ...fixed, ...ids, ...window, ...change });
  }

  function liveTicket(cam: string) {
    const { from: _, to: __, ...ticket } = ticketFor({ cam }).ticket;
    return signed({ ...ticket, mode: 'live' });
  }

  function signed(ticket: TicketClaims): { path: string; query: string; ticket: TicketClaims } {
    const query = `?ticket=${signTicket(ticket, access.key)}`;
    return { ticket, query, path: `${origin}/media/playbacks/${ticket.pid}` };
  }

  async function typesOf(stream: string): Promise<string[]> {
    const types: string[] = [];
    for await (const { type } of service.store.readStream(stream)) types.push(type);
    return types;
  }

  const onRecord = (playbackId: string) => typesOf(`playback-${playbackId}`);
  const recorded = (playbackId: string, type: string) => until(async () => (await onRecord(playbackId)).includes(type));

  const codeOf = async (answer: Response) => ((await answer.json()) as { code: string }).code;

  test('what is inside the window plays, byte for byte as recorded; the start is on record', async () => {
    const { path, query, ticket } = ticketFor();
    const list = await fetch(`${path}/index.m3u8${query}`);
    expect(list.status).toBe(200);
    expect(Object.fromEntries(list.headers)).toMatchObject({
      'content-type': 'application/vnd.apple.mpegurl',
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
    });
    expect(await onRecord(ticket.pid)).toEqual(['PlaybackStarted']);
    const text = await list.text();
    expect(text.match(/\d+\.m4s/g)).toEqual(['1.m4s', '2.m4s', '3.m4s']);
    for (const uri of [/URI="([^"]+)"/.exec(text)![1]!, ...text.match(/^\d+\/\d+\.m4s.*$/gm)!]) {
      const [, name] = /\/(\w+)\./.exec(uri)!;
      const answer = await fetch(`${path}/${uri}`);
      expect(answer.headers.get('content-type')).toBe('video/mp4');
      const file = name === 'init' ? index.initPath(cameraId, NOON) : index.path(cameraId, NOON, Number(name));
      expect(Buffer.from(await answer.arrayBuffer()).equals(await readFile(file))).toBe(true);
    }
  });

  test('a segment that reaches out of the window does not play, nor one of another day, nor a path (gz117:18(3))', async () => {
    const { path, query } = ticketFor({ from: NOON + 2_001, to: NOON + 7_999 });
    expect((await fetch(`${path}/${NOON}/2.m4s${query}`)).status).toBe(200);
    const outside = [1, 3, 0, 4, 99].map((n) => `${NOON}/${n}.m4s`);
    const strange = [
      `${NOON + 1}/2.m4s`,
      `${NOON - 90_000_000}/init.mp4`,
      '0/init.mp4',
      `${NOON}/index.jsonl`,
      '..%2f/2.m4s',
    ];
    for (const uri of [...outside, ...strange, `${NOON}/-1.m4s`, `${NOON}/2.m4s%00`, `${'9'.repeat(14)}/2.m4s`]) {
      const answer = await fetch(`${path}/${uri}${query}`);
      expect([uri, answer.status, await codeOf(answer)]).toEqual([uri, 403, 'media.outside-window']);
    }
  });

  test('without a ticket, with a forged or an expired one, or that of another playback nothing plays', async () => {
    const { path, query } = ticketFor();
    const other = ticketFor();
    for (const wrong of ['', '?ticket=', '?ticket=a&ticket=b', `${query.slice(0, -6)}AAAAAA`, other.query]) {
      const answer = await fetch(`${path}/index.m3u8${wrong}`);
      expect([answer.status, await codeOf(answer)]).toEqual([401, 'media.ticket-invalid']);
    }
    const iat = service.clock.now() / 1_000 - 60;
    const old = ticketFor({ iat, exp: iat + 60 });
    const answer = await fetch(`${old.path}/index.m3u8${old.query}`);
    expect([answer.status, await codeOf(answer)]).toEqual([401, 'media.ticket-expired']);
  });

  test('when the start cannot be put on record not a byte leaves; once it can, it plays', async () => {
    const { path, query } = ticketFor();
    access.answers = false;
    const refused = await fetch(`${path}/${NOON}/2.m4s${query}`);
    access.answers = true;
    expect([refused.status, await codeOf(refused)]).toEqual([503, 'media.decision-unavailable']);
    expect((await fetch(`${path}/${NOON}/2.m4s${query}`)).status).toBe(200);
  });

  test('a revocation on record tears a running answer down and is the end of it; the record says what was sent', async () => {
    const large = newId();
    await index.begin(large, NOON, { kind: 'init', bytes: randomBytes(8), track: { codec: 'x' } } as never);
    const [n, startMs, durationMs] = [0, NOON + 2_000, 2_000];
    await index.append(large, { epoch: NOON, n, startMs, durationMs }, randomBytes(48 * 1024 * 1024));
    const play = async (mine: ReturnType<typeof ticketFor>) => {
      const [answer] = (await once(get(`${mine.path}/${NOON}/0.m4s${mine.query}`), 'response')) as [IncomingMessage];
      expect(answer.statusCode).toBe(200);
      return answer;
    };
    const [revoked, control] = [ticketFor({ cam: large }), ticketFor({ cam: large })];
    const running = await play(revoked);
    const other = await play(control);
    await append(service.store, grantEvents, revoked.ticket.gid, { type: 'GrantRevoked', data: {} });
    await recorded(revoked.ticket.pid, 'PlaybackStopped');
    // The connection is gone in the middle of the answer: reading it to its end fails.
    await expect(length(running)).rejects.toThrow('aborted');
    const again = await fetch(`${revoked.path}/${NOON}/0.m4s${revoked.query}`);
    expect([again.status, await codeOf(again)]).toEqual([403, 'media.playback-ended']);
    expect(await length(other)).toBe(48 * 1024 * 1024);
    for await (const { type, data } of service.store.readStream(`playback-${revoked.ticket.pid}`)) {
      if (type !== 'PlaybackStopped') continue;
      expect(data).toEqual({ reason: 'revoked', ranges: [{ from: iso(startMs), to: iso(startMs + durationMs) }] });
    }
  });

  test('live shows the newest segments and nothing older, and says when there is nothing', async () => {
    const camera = newId();
    const { path, query } = liveTicket(camera);
    expect((await fetch(`${path}/index.m3u8${query}`)).status).toBe(503);
    const epoch = service.clock.now() - 100_000;
    const all = await record(index, camera, epoch, testVideo(100, '64x64'));
    const list = await (await fetch(`${path}/index.m3u8${query}`)).text();
    expect(list.match(/\d+\.m4s/g)).toEqual(all.slice(-6).map(({ n }) => `${n}.m4s`));
    expect(list).not.toContain('ENDLIST');
    expect((await fetch(`${path}/${epoch}/${all.at(-1)!.n}.m4s${query}`)).status).toBe(200);
    expect((await fetch(`${path}/${epoch}/0.m4s${query}`)).status).toBe(403);
  });

  test('a camera is recorded while its connection is open; when it closes, who watched it live is cut off', async () => {
    const [camera, connection] = [newId(), newId()];
    await writeFile(join(folder, 'gate.mp4'), testVideo(6));
    const source = { cameraId: camera, protocol: 'file', address: 'gate.mp4' };
    await append(service.store, connectionEvents, connection, { type: 'ConnectionOpened', data: source });
    await until(async () => (await typesOf(`recording-${camera}`)).includes('RecordingStarted'));
    const { path, query, ticket } = liveTicket(camera);
    const list = `${path}/index.m3u8${query}`;
    await until(async () => (await fetch(list)).status === 200);

    await append(service.store, connectionEvents, connection, { type: 'ConnectionClosed', data: { cameraId: camera } });
    await recorded(ticket.pid, 'PlaybackStopped');
    expect((await fetch(list)).status).toBe(403);
  });

  test('a clip is decided on, made, recorded, and proves itself; nobody else gets it, nor anybody after a revocation', async () => {
    const [sessionId, grantId] = [newId(), newId()];
    await append(service.store, sessionEvents, sessionId, { type: 'RetrievalSessionOpened', data: { grantId } });
    const ask = { sessionId, cameraId, from: iso(NOON), to: iso(NOON + 60_000) };
    const key = { 'idempotency-key': newId() };
    const made = await service.post(officer, '/api/v1/clips', ask, key);
    expect(made).toMatchObject({ status: 201, body: { segments: segments.length } });
    expect(access.asked).toMatchObject([{ clipId: made.body.id, grantId, sessionId, cameraId, from: ask.from }]);
    const again = await service.post(officer, '/api/v1/clips', ask, key);
    expect(again.body).toEqual(made.body);
    expect(access.asked).toHaveLength(1);

    const issued = { personIds: [officer.id], validTo: '2999-01-01T00:00:00.000Z' };
    await append(service.store, grantEvents, grantId, { type: 'GrantIssued', data: issued });
    const authorization = `Bearer ${officer.id}`;
    const download = async (path: string) =>
      Buffer.from(await (await fetch(origin + path, { headers: { authorization } })).arrayBuffer());
    const { clip, manifest, publicKey } = made.body.links as Record<string, string>;
    const [mp4, signed, pem] = [await download(clip!), await download(manifest!), await download(publicKey!)];
    const reader = { size: mp4.length, read: async (at: number, size: number) => mp4.subarray(at, at + size) };
    const verdict = await verifyClip(reader, signed, createPublicKey(pem));
    expect(verdict).toMatchObject({ good: true, manifest: { sha256: made.body.sha256 } });
    expect(verdict.manifest.predicate).toMatchObject({
      grant: grantId,
      caseNumber: '2026-1',
      destination: '档案',
    });

    const colleague = person(officer.organisation.id);
    for (const other of [person(newId()), colleague]) {
      expect((await service.get(other, clip!)).body.code).toBe('media.no-such-clip');
    }
    const fetched = [];
    for await (const { type, data } of service.store.readStream(`clip-${made.body.id}`)) fetched.push([type, data]);
    expect(fetched.slice(1)).toEqual([
      ['ClipFetched', { part: 'clip' }],
      ['ClipFetched', { part: 'manifest' }],
    ]);
    await append(service.store, grantEvents, grantId, { type: 'GrantRevoked', data: {} });
    expect((await service.get(officer, clip!)).body.code).toBe('media.no-such-clip');
    expect((await service.get(undefined, clip!)).status).toBe(401);
  });

  test('a clip of an altered original is refused with its name (gz117:18(2)); one without session too', async () => {
    const sessionId = newId();
    await append(service.store, sessionEvents, sessionId, {
      type: 'RetrievalSessionOpened',
      data: { grantId: newId() },
    });
    const spoilt = newId();
    await record(index, spoilt, NOON, testVideo(4));
    await rm(index.path(spoilt, NOON, 1));
    const ask = { sessionId, cameraId: spoilt, from: iso(NOON), to: iso(NOON + 60_000) };
    const refused = await service.post(officer, '/api/v1/clips', ask);
    expect(refused.body).toMatchObject({
      code: 'media.original-altered',
      facts: { segment: `${NOON}/1`, missing: true },
    });
    expect((await service.post(officer, '/api/v1/clips', { ...ask, sessionId: newId() })).status).toBe(404);
  });

  test('an original altered together with its index is refused by the seal in the store (gz117:18(2))', async () => {
    const [sessionId, sealed] = [newId(), newId()];
    const opened = { type: 'RetrievalSessionOpened', data: { grantId: newId() } };
    await append(service.store, sessionEvents, sessionId, opened);
    const kept = await record(index, sealed, NOON, testVideo(4));
    const seal = (root: string) => ({
      type: 'RecordingSealed',
      data: { minute: iso(NOON), from: iso(NOON), to: iso(NOON + 8_000), segments: kept.length, root, gaps: [] },
    });
    const ask = { sessionId, cameraId: sealed, from: iso(NOON), to: iso(NOON + 60_000) };
    await append(service.store, recordingEvents, sealed, seal(merkleRoot(kept.map(({ sha256 }) => sha256))));
    expect((await service.post(officer, '/api/v1/clips', ask)).status).toBe(201);
    await append(service.store, recordingEvents, sealed, seal('0'.repeat(64)));
    const refused = await service.post(officer, '/api/v1/clips', ask);
    expect(refused.body).toMatchObject({ code: 'media.original-altered', facts: { minute: iso(NOON) } });
  });
});

/** Waits until something holds; what never does fails the test by its time limit. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((go) => setTimeout(go, 20));
}

async function length(answer: IncomingMessage): Promise<number> {
  let sum = 0;
  for await (const chunk of answer) sum += (chunk as Buffer).length;
  return sum;
}
