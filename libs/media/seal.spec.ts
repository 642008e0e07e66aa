import { createHash } from 'node:crypto';
import { MINUTE_MS, merkleRoot, sealMinute } from './seal.js';
import type { Segment } from './segment-index.js';

const NOON = Date.parse('2026-03-01T12:00:00Z');
const sha256 = (...parts: Uint8Array[]) => createHash('sha256').update(Buffer.concat(parts)).digest();
const digests = Array.from({ length: 7 }, (_, n) => sha256(Buffer.of(n)).toString('hex'));

function segment(startMs: number, durationMs: number): Segment {
  return { epoch: NOON, n: 0, startMs, durationMs, bytes: 1, sha256: digests[0]! };
}

describe('the root of a minute', () => {
  test('is the Merkle tree hash of RFC 6962', () => {
    const leaf = (n: number) => sha256(Buffer.of(0), Buffer.from(digests[n]!, 'hex'));
    const node = (left: Buffer, right: Buffer) => sha256(Buffer.of(1), left, right);
    const [a, b, c, d, e] = [0, 1, 2, 3, 4].map(leaf) as [Buffer, Buffer, Buffer, Buffer, Buffer];
    expect(merkleRoot([])).toBe(sha256().toString('hex'));
    expect(merkleRoot(digests.slice(0, 1))).toBe(a.toString('hex'));
    expect(merkleRoot(digests.slice(0, 3))).toBe(node(node(a, b), c).toString('hex'));
    expect(merkleRoot(digests.slice(0, 5))).toBe(node(node(node(a, b), node(c, d)), e).toString('hex'));
  });

  test('is another when a segment is changed, removed or moved', () => {
    const roots = [
      digests,
      digests.slice(1),
      digests.slice(0, -1),
      digests.with(3, digests[0]!),
      digests.toReversed(),
    ].map(merkleRoot);
    expect(new Set(roots).size).toBe(roots.length);
  });
});

describe('the seal of a minute', () => {
  test('names the parts that no segment covers', () => {
    const segments = [segment(NOON + 5_000, 10_000), segment(NOON + 15_200, 10_000), segment(NOON + 30_000, 31_000)];
    expect(sealMinute('camera', NOON, segments, NOON + 2_000)).toMatchObject({
      minute: '2026-03-01T12:00:00.000Z',
      from: '2026-03-01T12:00:05.000Z',
      to: '2026-03-01T12:01:01.000Z',
      segments: 3,
      gaps: [
        { from: '2026-03-01T12:00:02.000Z', to: '2026-03-01T12:00:05.000Z' },
        { from: '2026-03-01T12:00:25.200Z', to: '2026-03-01T12:00:30.000Z' },
      ],
    });
  });

  test('names the rest of a minute in which the source fell silent', () => {
    const { gaps } = sealMinute('camera', NOON, [segment(NOON, 20_000)], 0);
    expect(gaps).toEqual([{ from: '2026-03-01T12:00:20.000Z', to: new Date(NOON + MINUTE_MS).toISOString() }]);
  });
});
