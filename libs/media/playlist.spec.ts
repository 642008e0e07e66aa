import fc from 'fast-check';
import { LIVE_SEGMENTS, LiveNumbering, livePlaylist, recordedPlaylist } from './playlist.js';
import type { Segment } from './segment-index.js';

const NOON = Date.parse('2026-03-01T12:00:00.000Z');
const segment = (epoch: number, n: number, durationMs = 2_000): Segment => ({
  epoch,
  n,
  startMs: epoch + n * 2_000,
  durationMs,
  bytes: 1,
  sha256: '',
});

describe('a playlist of recordings', () => {
  test('names every segment once, with its epoch, its moment and its length', () => {
    const [first, second] = [NOON, NOON + 60_000];
    const list = recordedPlaylist(
      [segment(first, 3), segment(first, 4, 2_480), segment(second, 0, 1_960)],
      '?ticket=abc',
    );
    expect(list.split('\n')).toEqual([
      '#EXTM3U',
      '#EXT-X-VERSION:7',
      '#EXT-X-TARGETDURATION:2',
      '#EXT-X-PLAYLIST-TYPE:VOD',
      '#EXT-X-MEDIA-SEQUENCE:0',
      `#EXT-X-MAP:URI="${first}/init.mp4?ticket=abc"`,
      '#EXT-X-PROGRAM-DATE-TIME:2026-03-01T12:00:06.000Z',
      '#EXTINF:2.000,',
      `${first}/3.m4s?ticket=abc`,
      '#EXTINF:2.480,',
      `${first}/4.m4s?ticket=abc`,
      '#EXT-X-DISCONTINUITY',
      `#EXT-X-MAP:URI="${second}/init.mp4?ticket=abc"`,
      '#EXT-X-PROGRAM-DATE-TIME:2026-03-01T12:01:00.000Z',
      '#EXTINF:1.960,',
      `${second}/0.m4s?ticket=abc`,
      '#EXT-X-ENDLIST',
      '',
    ]);
  });
});

describe('a live playlist', () => {
  test('never ends', () => {
    const list = livePlaylist([segment(NOON, 7)], { mediaSequence: 7, discontinuitySequence: 1 }, '');
    expect(list).toContain('#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-DISCONTINUITY-SEQUENCE:1\n');
    expect(list).not.toContain('ENDLIST');
  });

  test('keeps each segment’s number and discontinuity count while it is shown, over epochs, however often it is asked', () => {
    const epochs = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 12 });
    const steps = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 60 });
    fc.assert(
      fc.property(epochs, steps, (lengths, advances) => {
        const all = lengths.flatMap((length, e) => Array.from({ length }, (_, n) => segment(NOON + e * 100_000, n)));
        const numbering = new LiveNumbering();
        const seen = new Map<Segment, string>();
        let end = 1;
        for (const advance of [0, ...advances]) {
          end = Math.min(all.length, end + advance);
          const window = all.slice(Math.max(0, end - LIVE_SEGMENTS), end);
          const { mediaSequence, discontinuitySequence } = numbering.place('c1', window);
          let changes = 0;
          for (const [at, one] of window.entries()) {
            if (at > 0 && one.epoch !== window[at - 1]!.epoch) changes += 1;
            const numbers = `${mediaSequence + at} ${discontinuitySequence + changes}`;
            expect(seen.get(one) ?? numbers).toBe(numbers);
            seen.set(one, numbers);
          }
        }
        const given = [...seen.values()].map((text) => Number(text.split(' ')[0]));
        expect(given).toEqual([...given].sort((a, b) => a - b));
        expect(new Set(given).size).toBe(given.length);
      }),
    );
  });

  test('after a time without viewers goes on with higher numbers', () => {
    const numbering = new LiveNumbering();
    numbering.place('c1', [segment(NOON, 0), segment(NOON, 1)]);
    expect(numbering.place('c1', [])).toEqual({ mediaSequence: 0, discontinuitySequence: 0 });
    expect(numbering.place('c1', [segment(NOON + 90_000, 0)])).toEqual({ mediaSequence: 2, discontinuitySequence: 1 });
  });
});
