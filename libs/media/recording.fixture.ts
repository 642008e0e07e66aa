import { execFileSync } from 'node:child_process';
import { Fmp4Parser } from './fmp4.js';
import type { Segment, SegmentIndex } from './segment-index.js';

/** Fragmented MP4 of a test picture as the puller makes it: 25 frames a second, whole fragments of two seconds. */
export function testVideo(seconds: number, size = '320x180'): Buffer {
  return execFileSync(
    'ffmpeg',
    [
      ...['-v', 'error', '-f', 'lavfi', '-i', `testsrc2=size=${size}:rate=25`, '-t', `${seconds}`],
      ...['-c:v', 'libx264', '-preset', 'ultrafast', '-g', '50', '-pix_fmt', 'yuv420p', '-threads', '1'],
      ...['-f', 'mp4', '-movflags', 'frag_keyframe+empty_moov+default_base_moof', 'pipe:1'],
    ],
    { maxBuffer: 256 * 1024 * 1024, stdio: ['ignore', 'pipe', 'inherit'] },
  );
}

/** Records a video as one epoch. @returns its segments */
export async function record(index: SegmentIndex, cameraId: string, epoch: number, video: Buffer): Promise<Segment[]> {
  const segments: Segment[] = [];
  let timescale = 1;
  let startMs = epoch;
  for (const part of new Fmp4Parser().push(video)) {
    if (part.kind === 'init') {
      timescale = part.track.timescale;
      await index.begin(cameraId, epoch, part);
      continue;
    }
    const durationMs = Math.round((part.duration / timescale) * 1_000);
    const entry = { epoch, n: segments.length, startMs, durationMs };
    segments.push(await index.append(cameraId, entry, part.bytes));
    startMs += durationMs;
  }
  return segments;
}
