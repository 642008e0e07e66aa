import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildClip } from './export.js';
import { Fmp4Parser, type Fragment, type InitSegment } from './fmp4.js';
import { SegmentIndex } from './segment-index.js';

const camera = '018f0000-0000-7000-8000-000000000001';
const start = Date.parse('2026-03-01T09:00:00.000Z');

function makeVideo(): [InitSegment, ...Fragment[]] {
  const input = [
    '-v',
    'error',
    '-f',
    'lavfi',
    '-i',
    'testsrc=size=160x120:rate=25',
    '-t',
    '6',
    '-c:v',
    'libx264',
    '-g',
    '50',
  ];
  const args = [...input, '-f', 'mp4', '-movflags', 'frag_keyframe+empty_moov+default_base_moof', 'pipe:1'];
  return new Fmp4Parser().push(execFileSync('ffmpeg', args)) as [InitSegment, ...Fragment[]];
}

/** Two runs of three segments of two seconds; the second begins so long after the begin of the first. */
async function clipOfTwoRuns(secondAfterMs: number): Promise<Fragment[]> {
  const root = await mkdtemp(join(tmpdir(), 'export-'));
  const index = new SegmentIndex(root);
  await index.recover(camera);
  const [init, ...fragments] = makeVideo();
  for (const epoch of [start, start + secondAfterMs]) {
    await index.begin(camera, epoch, init);
    for (const [n, { bytes }] of fragments.entries()) {
      await index.append(camera, { epoch, n, startMs: epoch + n * 2_000, durationMs: 2_000 }, bytes);
    }
  }
  const path = join(root, 'clip.mp4');
  await buildClip(index, { cameraId: camera, from: start, to: start + 60_000 }, path);
  const [, ...written] = new Fmp4Parser().push(await readFile(path)) as [InitSegment, ...Fragment[]];
  return written;
}

/** Whether each fragment begins when the one before has ended, or later. */
const follow = (written: readonly Fragment[]) =>
  written.every(({ decodeTime }, at) => {
    const before = written[at - 1];
    return before === undefined || decodeTime >= before.decodeTime + before.duration;
  });

describe('decode times of a clip over two runs never go back', () => {
  test('control: the second run begins after a gap', async () => {
    const written = await clipOfTwoRuns(10_000);
    expect(written).toHaveLength(6);
    expect(follow(written)).toBe(true);
  });

  test('nor when the source ran a second ahead of the wall clock before it was reconnected', async () => {
    const written = await clipOfTwoRuns(5_000);
    expect(written).toHaveLength(6);
    expect(follow(written)).toBe(true);
  });
});
