import { createHash } from 'node:crypto';
import { type FileHandle, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readFragment, readTrack, type VideoTrack, withDecodeTime } from './fmp4.js';
import type { ClipPredicate, ClipSegment } from './manifest.js';
import { mediaRefusals } from './media.refusals.js';
import type { Epoch, Segment, SegmentIndex } from './segment-index.js';

const DAY_MS = 86_400_000;

/** What a clip is to be made of. */
export interface ClipRange {
  readonly cameraId: string;
  /** Milliseconds since the epoch; `to` is excluded. */
  readonly from: number;
  readonly to: number;
}

/** A clip that lies in its file. */
export interface BuiltClip {
  readonly bytes: number;
  readonly sha256: string;
  readonly init: ClipPredicate['init'];
  readonly segments: readonly ClipSegment[];
}

/**
 * Makes a clip: the initialisation segment and the whole segments of the range as they were recorded, with their
 * decode times shifted so that the clip begins at zero and interruptions keep their length. Each original is checked
 * against the digest under which it was recorded. At most one segment is in memory.
 *
 * @param path where the clip goes; it appears there whole or not at all
 * @throws Refusal `media.window-too-long`, `media.nothing-recorded`, `media.codec-changed`, `media.original-altered`
 */
export async function buildClip(index: SegmentIndex, range: ClipRange, path: string): Promise<BuiltClip> {
  const { cameraId, from, to } = range;
  if (!(from < to) || to - from > DAY_MS) throw mediaRefusals['media.window-too-long']('24 hours at most');
  const segments = await index.range(cameraId, from, to);
  if (segments.length === 0) throw mediaRefusals['media.nothing-recorded']('no whole segment');
  const init = await oneInit(index, cameraId, segments);

  await mkdir(join(path, '..'), { recursive: true, mode: 0o700 });
  const unfinished = `${path}.part`;
  const file = await open(unfinished, 'w', 0o600);
  try {
    const clip = await write(index, cameraId, segments, init, file);
    await file.sync();
    await file.close();
    await rename(unfinished, path);
    return clip;
  } catch (error) {
    await file.close();
    await rm(unfinished, { force: true });
    throw error;
  }
}

async function write(
  index: SegmentIndex,
  cameraId: string,
  segments: readonly Segment[],
  { bytes: head, track }: { readonly bytes: Buffer; readonly track: VideoTrack },
  file: FileHandle,
): Promise<BuiltClip> {
  const whole = createHash('sha256');
  const put = async (bytes: Buffer) => {
    whole.update(bytes);
    await file.writeFile(bytes);
  };
  await put(head);
  let offset = head.length;
  const origin = segments[0]!.startMs;
  const written: ClipSegment[] = [];
  let [shift, end] = [0, 0];
  let epoch: number | undefined;
  for (const segment of segments) {
    const original = await readOriginal(index, cameraId, segment);
    const { decodeTime, duration } = readFragment(original, track);
    // One shift an epoch: inside it the source's own timing stands, between epochs the wall clock; but milliseconds
    // are coarser than ticks, and no picture may come before the one it follows.
    const wallClock = Math.round(((segment.startMs - origin) * track.timescale) / 1_000);
    if (segment.epoch !== epoch) shift = Math.max(wallClock, end) - decodeTime;
    epoch = segment.epoch;
    end = decodeTime + shift + duration;
    await put(withDecodeTime(original, decodeTime + shift));
    written.push({
      index: written.length,
      name: `${segment.epoch}/${segment.n}`,
      startMs: segment.startMs,
      durationMs: segment.durationMs,
      offset,
      bytes: segment.bytes,
      sha256: segment.sha256,
      tfdtShift: String(shift),
    });
    offset += segment.bytes;
  }
  const init = { bytes: head.length, sha256: digestOf(head) };
  return { bytes: offset, sha256: whole.digest('hex'), init, segments: written };
}

/** The initialisation segment that fits every segment. */
async function oneInit(index: SegmentIndex, cameraId: string, segments: readonly Segment[]) {
  const epochs = [...new Set(segments.map(({ epoch }) => epoch))];
  const inits = await Promise.all(epochs.map((epoch) => readInit(index, cameraId, epoch)));
  const parts: { from: string; to: string; codec: string }[] = [];
  let running: string | undefined;
  for (const [at, { track }] of inits.entries()) {
    const inEpoch = segments.filter(({ epoch }) => epoch === epochs[at]);
    const [first, last] = [inEpoch[0]!, inEpoch.at(-1)!];
    const to = new Date(last.startMs + last.durationMs).toISOString();
    const before = parts.at(-1);
    if (before !== undefined && track.configuration === running) before.to = to;
    else
      parts.push({
        from: new Date(first.startMs).toISOString(),
        to,
        codec: `${track.codec} ${track.width}x${track.height}`,
      });
    running = track.configuration;
  }
  if (parts.length > 1) throw mediaRefusals['media.codec-changed'](`${parts.length} parts`, { parts });
  return inits[0]!;
}

async function readInit(index: SegmentIndex, cameraId: string, epoch: number) {
  const entry: Epoch | undefined = await index.init(cameraId, epoch);
  const bytes = await readFile(index.initPath(cameraId, epoch)).catch(() => undefined);
  if (entry === undefined || bytes === undefined || digestOf(bytes) !== entry.init.sha256) {
    throw altered(cameraId, `${epoch}/init`, epoch, bytes === undefined);
  }
  return { bytes, track: readTrack(bytes) };
}

async function readOriginal(index: SegmentIndex, cameraId: string, segment: Segment): Promise<Buffer> {
  const { epoch, n, startMs, sha256 } = segment;
  const bytes = await readFile(index.path(cameraId, epoch, n)).catch(() => undefined);
  if (bytes === undefined || digestOf(bytes) !== sha256) {
    throw altered(cameraId, `${epoch}/${n}`, startMs, bytes === undefined);
  }
  return bytes;
}

function altered(cameraId: string, segment: string, startMs: number, missing: boolean) {
  const facts = { cameraId, segment, at: new Date(startMs).toISOString(), missing };
  return mediaRefusals['media.original-altered'](`segment ${segment} is ${missing ? 'missing' : 'altered'}`, facts);
}

function digestOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
