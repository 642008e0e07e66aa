import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { newId } from '#libs/kernel';
import type { InitSegment } from './fmp4.js';
import { SegmentIndex } from './segment-index.js';

const NOON = Date.parse('2026-03-01T12:00:00Z');
const MIDNIGHT = Date.parse('2026-03-02T00:00:00Z');
const init = {
  kind: 'init',
  bytes: Buffer.from('init'),
  track: { codec: 'avc1.640028', width: 640, height: 360, timescale: 12_800 },
} as InitSegment;

describe('the index of segments', () => {
  let root: string;
  const cameraId = newId();

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'segments-'));
  });
  afterEach(() => rm(root, { recursive: true }));

  async function record(index: SegmentIndex, epoch: number, count: number, camera = cameraId) {
    await index.begin(camera, epoch, init);
    for (let n = 0; n < count; n += 1) {
      const startMs = epoch + n * 2_000;
      await index.append(camera, { epoch, n, startMs, durationMs: 2_000 }, Buffer.from(`${epoch}-${n}`));
    }
  }

  test('finds segments that lie wholly inside a range, across epochs and days, also after a restart', async () => {
    const writer = new SegmentIndex(root);
    await record(writer, MIDNIGHT - 10_000, 5);
    await record(writer, MIDNIGHT + 500, 5);
    await record(writer, NOON, 3, newId());
    for (const index of [writer, new SegmentIndex(root)]) {
      const found = await index.range(cameraId, MIDNIGHT - 5_999, MIDNIGHT + 4_500);
      expect(found.map(({ startMs }) => startMs - MIDNIGHT)).toEqual([-4_000, -2_000, 500, 2_500]);
      expect(await index.range(cameraId, MIDNIGHT - 5_999, MIDNIGHT + 4_499)).toHaveLength(3);
      const starting = await index.beginningIn(cameraId, MIDNIGHT - 4_000, MIDNIGHT + 500);
      expect(starting).toHaveLength(2);
      expect(await index.find(cameraId, MIDNIGHT + 500, 4)).toMatchObject({ startMs: MIDNIGHT + 8_500, bytes: 15 });
      expect(await index.find(cameraId, MIDNIGHT + 500, 5)).toBeUndefined();
      expect((await index.init(cameraId, MIDNIGHT + 500))?.init).toMatchObject({ bytes: 4, codec: 'avc1.640028' });
      expect(await readFile(index.path(cameraId, MIDNIGHT + 500, 4), 'utf8')).toBe(`${MIDNIGHT + 500}-4`);
    }
    expect(writer.latest(cameraId, 2).map(({ n }) => n)).toEqual([3, 4]);
  });

  test('sees what is appended after it has read the day', async () => {
    const index = new SegmentIndex(root);
    await record(index, NOON, 1);
    expect(await index.range(cameraId, NOON, NOON + 60_000)).toHaveLength(1);
    await record(index, NOON + 2_000, 2);
    expect(await index.range(cameraId, NOON, NOON + 60_000)).toHaveLength(3);
  });

  test('cuts a torn last line and removes what is unfinished, and says so; a segment without a line stays', async () => {
    await record(new SegmentIndex(root), NOON, 3);
    const said: string[] = [];
    const index = new SegmentIndex(root, (message) => said.push(message));
    const folder = dirname(index.path(cameraId, NOON, 0));
    await appendFile(join(folder, 'index.jsonl'), '{"epoch":17723664');
    await writeFile(index.path(cameraId, NOON, 3), 'without a line');
    await writeFile(`${index.path(cameraId, NOON, 4)}.part`, 'unfinished');

    expect(await index.recover(cameraId)).toMatchObject({ epoch: NOON, n: 2 });
    expect(said).toHaveLength(3);
    expect(await readFile(index.path(cameraId, NOON, 3), 'utf8')).toBe('without a line');
    await expect(readFile(`${index.path(cameraId, NOON, 4)}.part`)).rejects.toThrow('ENOENT');
    await record(index, NOON + 6_000, 1);
    expect(await new SegmentIndex(root).range(cameraId, NOON, NOON + 60_000)).toHaveLength(4);

    said.length = 0;
    expect(await index.recover(cameraId)).toMatchObject({ epoch: NOON + 6_000, n: 0 });
    expect(said).toEqual(['a file stands in no line of the index']);
  });

  test('passes over a line that somebody has spoilt, and says so', async () => {
    await record(new SegmentIndex(root), NOON, 1);
    const said: string[] = [];
    const index = new SegmentIndex(root, (message) => said.push(message));
    const lines = ['null', '[]', '{"epoch":-1}', '{"epoch":1,"n":"../../x"}', '{"epoch":1,"init":{}}', 'x'];
    await appendFile(join(dirname(index.path(cameraId, NOON, 0)), 'index.jsonl'), `${lines.join('\n')}\n`);
    expect(await index.range(cameraId, NOON, NOON + 60_000)).toHaveLength(1);
    expect(said).toHaveLength(lines.length);
  });

  test('makes no path of what comes from outside', () => {
    const index = new SegmentIndex(root);
    expect(() => index.path('../../etc', NOON, 0)).toThrow(TypeError);
    expect(() => index.path(cameraId, Number.NaN, 0)).toThrow(TypeError);
    expect(() => index.path(cameraId, -1, 0)).toThrow(TypeError);
    expect(() => index.path(cameraId, NOON, '../x' as never)).toThrow(TypeError);
    expect(index.path(cameraId, NOON, 7)).toBe(join(root, cameraId, '20260301', `${NOON}-7.m4s`));
  });

  test('refuses ranges without measure', async () => {
    const index = new SegmentIndex(root);
    await expect(index.range(cameraId, 0, NOON)).rejects.toThrow(RangeError);
    expect(await index.range(cameraId, NOON, NOON)).toEqual([]);
    expect(await index.recover(cameraId)).toBeUndefined();
  });
});
