import fc from 'fast-check';
import { defineRefusals, ManualClock } from '#libs/kernel';
import { Playbacks } from './playback.js';
import type { TimeRange } from './ports.js';
import { RANGES_MAX, ServedRanges } from './served-ranges.js';
import type { TicketClaims } from './ticket.js';

const START = new Date('2026-03-01T09:00:00.000Z').getTime();
const no = defineRefusals({
  'test.no': { kind: 'rule', title: ['No', '否'], rules: [] },
  'test.down': { kind: 'unavailable', title: ['Down', '停'], rules: [] },
});

function ticket(clock: ManualClock, pid: string, change: Partial<TicketClaims> = {}): TicketClaims {
  const iat = Math.floor(clock.now() / 1_000);
  return {
    iss: 'mingjing-access',
    aud: 'mingjing-media',
    jti: `${pid}-${iat}`,
    sub: 'li',
    pid,
    gid: 'g1',
    cam: 'c1',
    mode: 'recorded',
    from: 0,
    to: 100_000,
    iat,
    exp: iat + 60,
    ...change,
  };
}

/** A decision service that can be taken down, and that remembers what it was told. */
class Access {
  up = true;
  started: string[] = [];
  ended: { id: string; reason: string; ranges: readonly TimeRange[] }[] = [];
  withdrawn = new Set<string>();
  asked = 0;
  hold: Promise<void> = Promise.resolve();

  async start(id: string) {
    await this.#answer();
    if (this.withdrawn.has(id)) throw no['test.no'](id);
    this.started.push(id);
  }

  async recheck(ids: readonly string[]) {
    this.asked += 1;
    await this.#answer();
    return { stillAllowed: ids.filter((id) => !this.withdrawn.has(id)) };
  }

  async stopped(id: string, reason: string, ranges: readonly TimeRange[]) {
    await this.#answer();
    this.ended.push({ id, reason, ranges });
  }

  async #answer() {
    await this.hold;
    if (!this.up) throw no['test.down']('the store does not answer');
  }
}

class Response {
  destroyed = false;
  destroy() {
    this.destroyed = true;
  }
}

function setUp() {
  const clock = new ManualClock(START);
  const access = new Access();
  const playbacks = new Playbacks(access, clock, () => clock.now());
  /** Lets time pass as the gateway does, looking twice a second; `during` plays on. */
  const pass = async (ms: number, during: () => unknown = () => undefined) => {
    for (let passed = 0; passed < ms; passed += 500) {
      clock.advance(500);
      await during();
      await playbacks.look();
    }
  };
  return { clock, access, playbacks, pass };
}

const ended = expect.objectContaining({ code: 'media.playback-ended' });

describe('a playback', () => {
  test('has its start on record before the first byte, once, however many requests come first', async () => {
    const { clock, access, playbacks } = setUp();
    let release = () => {};
    access.hold = new Promise((resolve) => {
      release = resolve;
    });
    let through = 0;
    const first = Array.from({ length: 5 }, () => playbacks.admit(ticket(clock, 'p1')).then(() => (through += 1)));
    await Promise.resolve();
    expect(through).toBe(0);
    release();
    await Promise.all(first);
    expect(access.started).toEqual(['p1']);
    await playbacks.admit(ticket(clock, 'p1'));
    expect(access.started).toEqual(['p1']);
  });

  test('that the decision service refuses does not play, and leaves nothing behind', async () => {
    const { clock, access, playbacks } = setUp();
    access.withdrawn.add('p1');
    await expect(playbacks.admit(ticket(clock, 'p1'))).rejects.toMatchObject({ code: 'test.no' });
    expect(playbacks.size).toBe(0);
  });

  test('revoked while it starts never sends a byte', async () => {
    const { clock, access, playbacks } = setUp();
    let release = () => {};
    access.hold = new Promise((resolve) => {
      release = resolve;
    });
    const first = playbacks.admit(ticket(clock, 'p1'));
    playbacks.revoke(({ gid }) => gid === 'g1');
    release();
    await expect(first).rejects.toEqual(ended);
  });

  test('revoked while it plays is torn down at once and stays ended; others play on', async () => {
    const { clock, access, playbacks } = setUp();
    const [mine, theirs] = [new Response(), new Response()];
    await playbacks.admit(ticket(clock, 'p1'));
    await playbacks.admit(ticket(clock, 'p2', { gid: 'g2' }));
    playbacks.sending('p1', mine, { from: 1_000, to: 3_000 });
    playbacks.sending('p2', theirs);
    expect(playbacks.revoke(({ gid }) => gid === 'g1')).toBe(1);
    expect([mine.destroyed, theirs.destroyed]).toEqual([true, false]);
    await expect(playbacks.admit(ticket(clock, 'p1'))).rejects.toEqual(ended);
    await playbacks.admit(ticket(clock, 'p2', { gid: 'g2' }));
    await playbacks.look();
    const ranges = [{ from: '1970-01-01T00:00:01.000Z', to: '1970-01-01T00:00:03.000Z' }];
    expect(access.ended).toEqual([{ id: 'p1', reason: 'revoked', ranges }]);
  });

  test('cannot be taken over by a ticket of another holder, camera or grant', async () => {
    const { clock, playbacks } = setUp();
    await playbacks.admit(ticket(clock, 'p1'));
    for (const change of [{ sub: 'wang' }, { cam: 'c2' }, { gid: 'g2' }, { sid: 's1' }]) {
      await expect(playbacks.admit(ticket(clock, 'p1', change))).rejects.toMatchObject({
        code: 'media.ticket-invalid',
      });
    }
  });

  test('ends within a second of the expiry of its newest ticket, also without a request; renewed it plays on', async () => {
    const { clock, access, playbacks, pass } = setUp();
    const response = new Response();
    await playbacks.admit(ticket(clock, 'p1'));
    playbacks.sending('p1', response);
    await pass(30_000);
    await playbacks.admit(ticket(clock, 'p1'));
    await pass(59_500);
    expect(response.destroyed).toBe(false);
    await pass(1_000);
    expect(response.destroyed).toBe(true);
    expect(access.ended).toMatchObject([{ id: 'p1', reason: 'expired' }]);
    await expect(playbacks.admit(ticket(clock, 'p1'))).rejects.toEqual(ended);
  });

  test('that nobody asks for is ended after 30 s', async () => {
    const { clock, access, playbacks, pass } = setUp();
    await playbacks.admit(ticket(clock, 'p1'));
    await pass(29_500);
    expect(access.ended).toEqual([]);
    await pass(500);
    expect(access.ended).toMatchObject([{ id: 'p1', reason: 'idle' }]);
  });
});

describe('the decision service', () => {
  test('is asked every five seconds, and what it no longer allows ends', async () => {
    const { clock, access, playbacks, pass } = setUp();
    await playbacks.admit(ticket(clock, 'p1'));
    await playbacks.admit(ticket(clock, 'p2'));
    access.withdrawn.add('p1');
    await pass(5_500);
    expect(access.ended).toMatchObject([{ id: 'p1', reason: 'revoked' }]);
    await playbacks.admit(ticket(clock, 'p2'));
  });

  test('down: nothing new plays, what runs ends within 15 s, and the ends are reported when it is back', async () => {
    const { clock, access, playbacks, pass } = setUp();
    const response = new Response();
    const play = () => playbacks.admit(ticket(clock, 'p1')).catch(() => undefined);
    await playbacks.admit(ticket(clock, 'p1'));
    playbacks.sending('p1', response, { from: 0, to: 2_000 });
    await pass(20_000, play);
    // Control: while the service answers, the same player plays on for longer than 15 s.
    expect(response.destroyed).toBe(false);

    access.up = false;
    await expect(playbacks.admit(ticket(clock, 'new'))).rejects.toMatchObject({ code: 'media.decision-unavailable' });
    await pass(15_000, play);
    expect(response.destroyed).toBe(true);
    expect(access.ended).toEqual([]);
    await expect(playbacks.admit(ticket(clock, 'p1'))).rejects.toEqual(ended);

    access.up = true;
    await pass(1_000);
    expect(access.ended).toMatchObject([{ id: 'p1', reason: 'decision-unavailable', ranges: [{}] }]);
    expect(playbacks.unreportedCount).toBe(0);
  });

  test('down as a playback starts: it plays once the start is on record, or its end is reported', async () => {
    const { clock, access, playbacks, pass } = setUp();
    access.up = false;
    for (const id of ['back', 'gone']) await playbacks.admit(ticket(clock, id)).catch(() => undefined);
    access.up = true;
    await playbacks.admit(ticket(clock, 'back'));
    expect(access.started).toEqual(['back']);
    await pass(30_000, () => playbacks.admit(ticket(clock, 'back')));
    expect(access.ended).toMatchObject([{ id: 'gone', reason: 'idle', ranges: [] }]);
  });

  test('hears of every end at shutdown', async () => {
    const { clock, access, playbacks } = setUp();
    for (const id of ['p1', 'p2']) await playbacks.admit(ticket(clock, id));
    await playbacks.close();
    expect(access.ended.map(({ id, reason }) => [id, reason])).toEqual([
      ['p1', 'shutdown'],
      ['p2', 'shutdown'],
    ]);
    await expect(playbacks.admit(ticket(clock, 'p3'))).rejects.toEqual(ended);
  });
});

describe('footage served', () => {
  test('is merged and in order, and covers what was sent and nothing else', () => {
    const span = fc.tuple(fc.nat(60), fc.integer({ min: 1, max: 5 }));
    fc.assert(
      fc.property(fc.array(span, { maxLength: 60 }), (spans) => {
        const served = new ServedRanges();
        const seconds = new Set<number>();
        for (const [from, length] of spans) {
          served.add({ from: from * 1_000, to: (from + length) * 1_000 });
          for (let s = from; s < from + length; s += 1) seconds.add(s);
        }
        const covered = served.ranges.flatMap(({ from, to }) =>
          Array.from({ length: (to - from) / 1_000 }, (_, n) => from / 1_000 + n),
        );
        expect(covered).toEqual([...seconds].sort((a, b) => a - b));
        const gaps = served.ranges.slice(1).map(({ from }, n) => from - served.ranges[n]!.to);
        expect(gaps.every((gap) => gap > 0)).toBe(true);
      }),
    );
  });

  test('is bounded: past the limit the closest ranges become one, so that nothing sent goes unsaid', () => {
    const served = new ServedRanges();
    for (let n = 0; n <= RANGES_MAX; n += 1)
      served.add({ from: n * 10_000 + (n === 7 ? 5_000 : 0), to: n * 10_000 + 6_000 });
    expect(served.ranges).toHaveLength(RANGES_MAX);
    expect(served.ranges.at(-1)).toEqual({ from: RANGES_MAX * 10_000, to: RANGES_MAX * 10_000 + 6_000 });
  });
});
