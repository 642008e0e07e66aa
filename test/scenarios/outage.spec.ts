import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '#libs/platform';
import { type HubProcess, startHubProcess } from '../services/hub-process.js';
import { type RtspServer, startRtspServer } from '../services/rtsp.js';
import type { Answer, User } from './api.js';
import { approve, openSession, request, shareLive, type Window } from './brokering.js';
import { assemble, type Cast } from './cast.js';
import { Checks } from './checks.js';
import { MODES } from './modes.js';
import { readPlaylist } from './player.js';
import { connect, register } from './registration.js';
import { kurrentInHand, OUTAGES, postgresInHand, type StoreInHand } from './store-outages.js';

/** The promise: so long after the event store has gone nothing is sent any more. */
const AFTERLIFE_MS_MAX = 15_000;
const RECORDED_MS = 12_000;
const RECOVERY_MS_MAX = 30_000;

// The outage is that of the event store in PostgreSQL.
describe.each(MODES.filter(({ name }) => name !== 'kurrentdb'))('as $name', ({ composition, prepare }) => {
  const folder = mkdtempSync(join(tmpdir(), 'outage-'));
  const told: string[] = [];
  const checks = new Checks((line) => told.push(line));
  let prepared: Awaited<ReturnType<typeof prepare>>;
  let postgres: Awaited<ReturnType<typeof postgresInHand>>;
  /** Where the events are. */
  let store: StoreInHand;
  let camera: RtspServer;
  let hub: HubProcess;
  let cast: Cast;
  /** What the two holders may ask for. */
  let live: { by: User; ask: object };
  let recorded: { by: User; ask: object };
  const players: Player[] = [];

  beforeAll(async () => {
    postgres = await postgresInHand(join(folder, 'postgres'));
    camera = await startRtspServer();
    prepared = await prepare();
    store = prepared.kurrent === undefined ? postgres : kurrentInHand(prepared.kurrent);
    hub = await startHubProcess(
      {
        ...prepared.settings,
        MINGJING_DATA: join(folder, 'data'),
        MINGJING_PORT: String(await freePort()),
        MINGJING_SOURCE_NETWORKS: '127.0.0.1/32',
        MINGJING_DATABASE_URL: postgres.server.serviceUrl,
        MINGJING_DATABASE_OWNER_URL: postgres.server.ownerUrl,
      },
      (line) => told.push(`hub | ${line}`),
      composition,
    );
    void hub.ended.then((status) => told.push(`hub | ended: ${status ?? hub.child.signalCode}`));
    try {
      await bringUp();
    } catch (error) {
      throw new Error(`${told.slice(-12).join('\n')}\n${String(error)}`);
    }
  }, 240_000);

  afterEach(() => {
    for (const player of players.splice(0)) player.close();
  });

  afterAll(async () => {
    await hub?.stop();
    await camera?.stop();
    await postgres?.stop();
    await prepared?.stop();
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  /** The story up to a started session and a live share. */
  async function bringUp(): Promise<void> {
    cast = await assemble(hub.url, hub.administratorCode ?? '', checks);
    const { cameraId } = await register(cast, checks);
    await connect(cast, checks, cameraId, camera.url);
    const from = Date.now() + 2_000;
    await sleep(RECORDED_MS);
    const window: Window = { from, to: Date.now() - 1_000 };
    const grantId = await approve(cast, checks, await request(cast, checks, cameraId, window), window);
    const sessionId = await openSession(cast, checks, grantId);
    const between = { from: new Date(window.from).toISOString(), to: new Date(window.to).toISOString() };
    recorded = {
      by: cast.people.firstInvestigator,
      ask: { grantId, sessionId, cameraId, mode: 'recorded', ...between },
    };
    live = { by: cast.client, ask: { grantId: await shareLive(cast, checks, cameraId), cameraId, mode: 'live' } };
  }

  /** Fetches the playlist and its newest segment again and again, as a player does, and notes when bytes last came. */
  class Player {
    #open = true;
    /** Monotonic clock, ms. */
    lastByteAt = Number.NEGATIVE_INFINITY;

    private constructor(
      readonly id: string,
      readonly url: URL,
    ) {}

    /** Asks for a playback and begins to play. */
    static async start({ by, ask }: { by: User; ask: object }): Promise<Player> {
      const { id, url } = ticketOf(await by.post('/api/v1/playbacks', ask));
      const player = new Player(id, url);
      players.push(player);
      void player.#play();
      return player;
    }

    close(): void {
      this.#open = false;
    }

    async #play(): Promise<void> {
      for (; this.#open; await sleep(200)) {
        try {
          const playlist = await readPlaylist(this.url);
          if (playlist.status !== 200) continue;
          this.lastByteAt = performance.now();
          const response = await fetch(playlist.segments.at(-1)!.url);
          if (response.ok && (await response.arrayBuffer()).byteLength > 0) this.lastByteAt = performance.now();
        } catch {
          // torn down in mid-answer: nothing whole came
        }
      }
    }
  }

  function ticketOf(answer: Answer): { id: string; url: URL } {
    const { id, url } = checks.done('a ticket', answer);
    return { id, url: new URL(String(url), hub.url) };
  }

  /** What stands on a playback's stream, read past the hub. */
  const onRecord = (playbackId: string) => store.onRecord(`playback-${playbackId}`);

  async function until(what: string, holds: () => Promise<boolean> | boolean, msMax: number): Promise<void> {
    for (const from = performance.now(); performance.now() - from < msMax; await sleep(200)) {
      if (await holds()) return;
    }
    throw new Error(`${what}: not within ${msMax} ms\n${told.slice(-15).join('\n')}`);
  }

  const playing = (player: Player) => performance.now() - player.lastByteAt < 2_000;

  describe.each(['live', 'recorded'] as const)('a %s playback', (mode) => {
    const of = () => (mode === 'live' ? live : recorded);

    test('is on record, decision and start, before its first byte', async () => {
      const { id, url } = ticketOf(await of().by.post('/api/v1/playbacks', of().ask));
      expect((await onRecord(id)).map(({ type }) => type)).toEqual(['PlaybackAuthorised']);
      const response = await fetch(url);
      expect(response.status).toBe(200);
      expect((await onRecord(id)).map(({ type }) => type)).toEqual(['PlaybackAuthorised', 'PlaybackStarted']);
      await response.body?.cancel();
    });

    test('with a ticket in hand sends no byte while the start cannot be written', async () => {
      const { id, url } = ticketOf(await of().by.post('/api/v1/playbacks', of().ask));
      await store.whileAppendsWait(async () => {
        expect((await readPlaylist(url)).status).toBe(503);
        expect((await onRecord(id)).map(({ type }) => type)).toEqual(['PlaybackAuthorised']);
      });
      await until('plays once the start is on record', async () => (await readPlaylist(url)).status === 200, 10_000);
      expect((await onRecord(id)).map(({ type }) => type)).toEqual(['PlaybackAuthorised', 'PlaybackStarted']);
    });
  });

  test('control: while the store answers both players go on for longer than the promise', async () => {
    const running = [await Player.start(live), await Player.start(recorded)];
    await until('both play', () => running.every(playing), 10_000);
    await sleep(AFTERLIFE_MS_MAX + 1_000);
    expect(running.map(playing)).toEqual([true, true]);
  }, 60_000);

  test.each(OUTAGES)(
    'when the event store %s nothing new plays, what plays ends within 15 s, and the hub serves again by itself',
    async (kind) => {
      const running = [await Player.start(live), await Player.start(recorded)];
      const unused = [ticketOf(await live.by.post('/api/v1/playbacks', live.ask))];
      unused.push(ticketOf(await recorded.by.post('/api/v1/playbacks', recorded.ask)));
      await until('both play', () => running.every(playing), 10_000);

      const begun = performance.now();
      await store.begin(kind);
      let ended = false;
      const answers: Answer[] = [];
      // Neither a new decision nor a ticket that was never used opens anything.
      const asking = Promise.allSettled(
        [live, recorded].map(async ({ by, ask }) => answers.push(await by.post('/api/v1/playbacks', ask))),
      );
      try {
        const statuses = await Promise.all(unused.map(async ({ url }) => (await readPlaylist(url)).status));
        expect(statuses).toEqual([503, 503]);
        await sleep(begun + AFTERLIFE_MS_MAX + 5_000 - performance.now());
        // A store that hangs is waited for no longer than one that is gone: the answer is a no that says to come again.
        expect(answers).toHaveLength(2);
        for (const { status, headers } of answers) {
          expect(status).toBe(503);
          expect(headers.get('content-type')).toContain('application/problem+json');
        }
        for (const { lastByteAt } of running) expect(lastByteAt - begun).toBeLessThan(AFTERLIFE_MS_MAX);
        told.push(`${kind}: last bytes after ${running.map((p) => Math.round(p.lastByteAt - begun)).join(', ')} ms`);
        expect(hub.child.exitCode).toBeNull();
        expect((await fetch(`${hub.url}/health/live`)).status).toBe(200);
        ended = true;
      } finally {
        await store.end(kind);
        await asking;
        if (!ended) process.stderr.write(`${told.slice(-30).join('\n')}\n`);
      }

      const back = performance.now();
      for (const { by, ask } of [live, recorded]) {
        await until(
          'a new playback is decided and plays',
          async () => {
            const answer = await by.post('/api/v1/playbacks', ask);
            return answer.status === 201 && (await readPlaylist(ticketOf(answer).url)).status === 200;
          },
          RECOVERY_MS_MAX,
        );
      }
      told.push(`${kind}: serves again after ${Math.round(performance.now() - back)} ms`);
      for (const { id } of running) {
        const stopped = async () =>
          (await onRecord(id)).some(
            ({ type, data }) => type === 'PlaybackStopped' && data.reason === 'decision-unavailable',
          );
        await until('the end is on record with its reason', stopped, RECOVERY_MS_MAX);
      }
      expect(hub.child.exitCode).toBeNull();
    },
    150_000,
  );
});
