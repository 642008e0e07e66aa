import { statSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { InitSegment } from './fmp4.js';
import { SegmentIndex } from './segment-index.js';

const camera = '018f0000-0000-7000-8000-000000000001';
const epoch = Date.parse('2026-03-01T09:00:00.000Z');
const day = '20260301';
const track = { codec: 'avc1.64001f', width: 320, height: 240, timescale: 90_000 } as InitSegment['track'];

/** A day with ten segments on disk; `at` names a file of it. */
async function recorded() {
  const root = await mkdtemp(join(tmpdir(), 'segments-'));
  const index = new SegmentIndex(root);
  await index.recover(camera);
  await index.begin(camera, epoch, { kind: 'init', bytes: Buffer.from('init'), track });
  for (let n = 0; n < 10; n += 1) {
    await index.append(
      camera,
      { epoch, n, startMs: epoch + n * 2_000, durationMs: 2_000 },
      Buffer.from(`segment ${n}`),
    );
  }
  const folder = join(root, camera, day);
  const originals = async () => (await readdir(folder)).filter((name) => /\.(m4s|mp4)$/.test(name)).sort();
  return { root, folder, originals, at: (name: string) => join(folder, name) };
}

describe('originals outlive whatever happens to the index (gz117:18(2))', () => {
  test('control: an intact day is left as it is', async () => {
    const { root, originals } = await recorded();
    const before = await originals();
    await new SegmentIndex(root).recover(camera);
    expect(await originals()).toEqual(before);
    expect(before).toHaveLength(11);
  });

  test('one unreadable line in the middle does not cost the segment that it named', async () => {
    const { root, originals, at } = await recorded();
    const before = await originals();
    const lines = (await readFile(at('index.jsonl'), 'utf8')).split('\n');
    lines[4] = `#${lines[4]!.slice(1)}`;
    await writeFile(at('index.jsonl'), lines.join('\n'));
    await new SegmentIndex(root).recover(camera);
    expect(await originals()).toEqual(before);
  });

  test('a lost index does not cost the day', async () => {
    const { root, originals, at } = await recorded();
    const before = await originals();
    await rm(at('index.jsonl'));
    await new SegmentIndex(root).recover(camera);
    expect(await originals()).toEqual(before);
  });

  test('an index that was cut short does not cost what lies behind the cut', async () => {
    const { root, originals, at } = await recorded();
    const before = await originals();
    const lines = (await readFile(at('index.jsonl'), 'utf8')).split('\n');
    await writeFile(at('index.jsonl'), `${lines.slice(0, 4).join('\n')}\n`);
    await new SegmentIndex(root).recover(camera);
    expect(await originals()).toEqual(before);
  });
});

describe('a reader that comes while a segment is being recorded', () => {
  test('sees each segment once', async () => {
    const { root, at } = await recorded();
    for (let n = 10; n < 40; n += 1) {
      // A fresh index: the day is not in memory yet, as after a restart or when other days have taken its room.
      const index = new SegmentIndex(root);
      const before = statSync(at('index.jsonl')).size;
      let done = false;
      const appending = index
        .append(camera, { epoch, n, startMs: epoch + n * 2_000, durationMs: 2_000 }, Buffer.from(`segment ${n}`))
        .finally(() => {
          done = true;
        });
      // The line is written, its flush to disk still under way: now somebody looks.
      while (!done && statSync(at('index.jsonl')).size === before) await new Promise((go) => setImmediate(go));
      await Promise.all([index.range(camera, epoch, epoch + 3_600_000), appending]);
      const numbers = (await index.range(camera, epoch, epoch + 3_600_000)).map((segment) => segment.n);
      expect(numbers).toEqual([...new Set(numbers)]);
    }
  });
});
