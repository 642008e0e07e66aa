import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { newId } from '#libs/kernel';
import { type BuiltClip, buildClip } from './export.js';
import { type ClipManifest, keyIdOf, type ManifestError, openManifest, signManifest } from './manifest.js';
import { record, testVideo } from './recording.fixture.js';
import { SegmentIndex } from './segment-index.js';
import { type ByteReader, verifyClip } from './verify-clip.js';

const NOON = Date.parse('2026-03-01T12:00:00.000Z');
/** The source was away for 5.5 s between its two epochs. */
const AGAIN = NOON + 8_000 + 5_500;
const cameraId = newId();
const pair = generateKeyPairSync('ed25519');
const stranger = generateKeyPairSync('ed25519');

let folder: string;
let index: SegmentIndex;
let clip: BuiltClip;
let mp4: Buffer;
let manifest: Buffer;

const reader = (bytes: Buffer): ByteReader => ({
  size: bytes.length,
  read: async (offset, length) => bytes.subarray(offset, offset + length),
});
const verify = (bytes: Buffer, signed = manifest) => verifyClip(reader(bytes), signed, pair.publicKey);

function manifestOf({ sha256, init, segments }: BuiltClip): ClipManifest {
  return {
    name: 'clip.mp4',
    sha256,
    predicate: {
      camera: { id: cameraId },
      range: { from: new Date(NOON).toISOString(), to: new Date(NOON + 60_000).toISOString() },
      init,
      segments: [...segments],
      grant: newId(),
      session: newId(),
      request: newId(),
      basis: 'gz117:15.3',
      purpose: '道路交通事故调查',
      exportedBy: { kind: 'person', id: newId() },
      destination: '省交通运输厅 执法档案',
      exportedAt: '2026-03-02T08:00:00.000Z',
    },
  };
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'clips-'));
  index = new SegmentIndex(join(folder, 'recordings'));
  await record(index, cameraId, NOON, testVideo(8));
  await record(index, cameraId, AGAIN, testVideo(6));
  const path = join(folder, 'clip.mp4');
  clip = await buildClip(index, { cameraId, from: NOON + 1_000, to: NOON + 60_000 }, path);
  mp4 = await readFile(path);
  manifest = signManifest(manifestOf(clip), { ...pair, kid: keyIdOf(pair.publicKey) });
});
afterAll(() => rm(folder, { recursive: true }));

describe('a clip', () => {
  test('holds the whole segments inside the range, untouched but for their decode times', () => {
    // 12:00:00 begins before the range; 50 frames in each of three and three segments are left.
    expect(clip.segments.map(({ startMs }) => startMs - NOON)).toEqual([2_000, 4_000, 6_000, 13_500, 15_500, 17_500]);
    expect(clip.bytes).toBe(mp4.length);
  });

  test('is an MP4 in which every frame plays, from zero, with the interruption as long as it was', () => {
    const path = join(folder, 'clip.mp4');
    const entries = ['-show_entries', 'stream=nb_read_packets:packet=pts_time', '-count_packets', '-of', 'json'];
    const probe = JSON.parse(execFileSync('ffprobe', ['-v', 'error', ...entries, path], { encoding: 'utf8' }));
    expect(probe.streams).toEqual([expect.objectContaining({ nb_read_packets: '300' })]);
    const times: number[] = probe.packets.map(({ pts_time }: { pts_time: string }) => Number(pts_time));
    expect(times[0]).toBe(0);
    expect(times[150]! - times[149]!).toBeCloseTo(5.54, 2);
    expect(times.at(-1)).toBeCloseTo(17.46, 2);
    const decoded = execFileSync('ffmpeg', ['-v', 'error', '-i', path, '-f', 'null', '-'], { stdio: 'pipe' });
    expect(decoded.toString()).toBe('');
  });

  test('over a change of codec parameters is refused with the parts named', async () => {
    const changed = newId();
    await record(index, changed, NOON, testVideo(4));
    await record(index, changed, NOON + 4_000, testVideo(4, '160x90'));
    const refused = buildClip(index, { cameraId: changed, from: NOON, to: NOON + 60_000 }, join(folder, 'no.mp4'));
    await expect(refused).rejects.toMatchObject({
      code: 'media.codec-changed',
      facts: {
        parts: [
          { from: '2026-03-01T12:00:00.000Z', to: '2026-03-01T12:00:04.000Z' },
          { from: '2026-03-01T12:00:04.000Z', to: '2026-03-01T12:00:08.000Z' },
        ],
      },
    });
  });

  test('of an original that was altered or removed is refused with its name, and no file is left (gz117:18(2))', async () => {
    const spoilt = newId();
    await record(index, spoilt, NOON, testVideo(6));
    const path = join(folder, 'spoilt.mp4');
    const build = () => buildClip(index, { cameraId: spoilt, from: NOON, to: NOON + 60_000 }, path);
    await build();
    await rm(path);
    const original = index.path(spoilt, NOON, 1);
    const bytes = await readFile(original);
    bytes[bytes.length - 9]! ^= 1;
    await writeFile(original, bytes);
    const named = { code: 'media.original-altered', rules: ['gz117:18(2)'], facts: { segment: `${NOON}/1` } };
    await expect(build()).rejects.toMatchObject({ ...named, facts: { ...named.facts, missing: false } });
    await rm(original);
    await expect(build()).rejects.toMatchObject({ ...named, facts: { ...named.facts, missing: true } });
    await expect(readFile(path)).rejects.toThrow('ENOENT');
    await expect(readFile(`${path}.part`)).rejects.toThrow('ENOENT');
  });

  test('of nothing, or of more than a day, is refused', async () => {
    const build = (from: number, to: number) => buildClip(index, { cameraId, from, to }, join(folder, 'no.mp4'));
    await expect(build(NOON - 60_000, NOON + 1_999)).rejects.toMatchObject({ code: 'media.nothing-recorded' });
    for (const [from, to] of [
      [NOON, NOON + 86_400_001],
      [NOON, NOON],
    ] as const) {
      await expect(build(from, to)).rejects.toMatchObject({ code: 'media.window-too-long' });
    }
  });
});

describe('verification', () => {
  test('says yes to the clip as it was made', async () => {
    expect(await verify(mp4)).toMatchObject({ good: true, faults: [] });
  });

  test('finds any flipped byte and names the segment it lies in', async () => {
    const flip = fc.tuple(fc.nat(mp4.length - 1), fc.integer({ min: 1, max: 255 }));
    // Boxes are a small part of the bytes: half of the flips go where the structure is.
    const inHead = fc.tuple(
      fc.constantFrom(...clip.segments).chain(({ offset }) => fc.integer({ min: offset, max: offset + 1_200 })),
      fc.integer({ min: 1, max: 255 }),
    );
    await fc.assert(
      fc.asyncProperty(fc.oneof(flip, inHead), async ([at, mask]) => {
        const changed = Buffer.from(mp4);
        changed[at]! ^= mask;
        const { good, faults } = await verify(changed);
        const hit = clip.segments.find(({ offset, bytes }) => at >= offset && at < offset + bytes);
        const { index: place, name } = hit ?? {};
        expect(good).toBe(false);
        expect(faults).toHaveLength(1);
        expect(faults[0]).toMatchObject(hit ? { part: 'segment', index: place, name } : { part: 'init' });
      }),
      { numRuns: 400 },
    );
  });

  test('finds what is cut off, added, or put in another place', async () => {
    const [, , , fourth, fifth, last] = clip.segments;
    expect((await verify(mp4.subarray(0, mp4.length - 1))).faults).toMatchObject([{ part: 'missing', index: 5 }]);
    expect((await verify(mp4.subarray(0, fifth!.offset))).faults).toMatchObject([
      { part: 'missing', name: fifth!.name },
      { part: 'missing', name: last!.name },
    ]);
    expect((await verify(Buffer.alloc(0))).faults[0]).toMatchObject({ part: 'init' });
    const longer = Buffer.concat([mp4, Buffer.from([0])]);
    expect((await verify(longer)).faults).toEqual([{ part: 'surplus', from: mp4.length, to: mp4.length + 1 }]);
    const swapped = Buffer.concat([
      mp4.subarray(0, fourth!.offset),
      mp4.subarray(last!.offset),
      mp4.subarray(fifth!.offset, last!.offset),
      mp4.subarray(fourth!.offset, fifth!.offset),
    ]);
    expect((await verify(swapped)).good).toBe(false);
  });
});

describe('a manifest', () => {
  test('says what was signed', () => {
    const { predicate } = openManifest(manifest, pair.publicKey);
    expect(predicate).toMatchObject({ camera: { id: cameraId }, destination: '省交通运输厅 执法档案' });
  });

  test('with any byte flipped is not accepted; the untouched one is', () => {
    openManifest(manifest, pair.publicKey);
    fc.assert(
      fc.property(fc.nat(manifest.length - 1), fc.integer({ min: 1, max: 255 }), (at, mask) => {
        const changed = Buffer.from(manifest);
        changed[at]! ^= mask;
        expect(() => openManifest(changed, pair.publicKey)).toThrow(expect.objectContaining({ name: 'ManifestError' }));
      }),
      { numRuns: 1_000 },
    );
    for (const cut of [0, 1, 100, manifest.length - 1]) {
      expect(() => openManifest(manifest.subarray(0, cut), pair.publicKey)).toThrow(/damaged|JSON|issued/);
    }
  });

  test('of another key says so', () => {
    const wrong = expect.objectContaining<Partial<ManifestError>>({ reason: 'wrong-key' });
    expect(() => openManifest(manifest, stranger.publicKey)).toThrow(wrong);
  });

  test('that damage made unreadable says at which byte', () => {
    const changed = Buffer.from(manifest);
    changed[40] = 0x0a;
    expect(() => openManifest(changed, pair.publicKey)).toThrow(/at byte 40/);
  });
});
