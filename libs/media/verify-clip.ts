import { createHash, type KeyObject } from 'node:crypto';
import { findDecodeTime, withDecodeTime } from './fmp4.js';
import { type ClipManifest, type ClipSegment, openManifest } from './manifest.js';

/** A clip's bytes, wherever they are. */
export interface ByteReader {
  readonly size: number;
  /** Exactly these bytes; the caller stays within `size`. */
  read(offset: number, length: number): Promise<Buffer>;
}

/** What is wrong with one part of a clip. */
export interface ClipFault {
  readonly part: 'init' | 'segment' | 'missing' | 'surplus' | 'whole';
  /** Segment's place in the clip, from 0, and its name `<epoch>/<n>`. */
  readonly index?: number;
  readonly name?: string;
  /** When the segment was recorded, ISO 8601 UTC. */
  readonly at?: string;
  /** Bytes of the clip in which the fault lies; `to` is excluded. */
  readonly from: number;
  readonly to: number;
}

export interface ClipVerdict {
  readonly good: boolean;
  readonly manifest: ClipManifest;
  readonly faults: readonly ClipFault[];
}

/** Enough to find what is wrong; a file that is not the clip at all would name them all. */
const FAULTS_MAX = 100;

/**
 * Checks a clip against its signed manifest: every segment, with its decode time shifted back, must have the digest
 * that was sealed when it was recorded. Needs no server.
 * @param manifestFile bytes of the manifest file
 * @throws ManifestError when the manifest is damaged, altered, or signed by another key
 */
export async function verifyClip(clip: ByteReader, manifestFile: Buffer, publicKey: KeyObject): Promise<ClipVerdict> {
  const manifest = openManifest(manifestFile, publicKey);
  const { init, segments } = manifest.predicate;
  const faults: ClipFault[] = [];
  const whole = createHash('sha256');
  const take = async (from: number, length: number) => {
    const bytes = await clip.read(from, length);
    whole.update(bytes);
    return bytes;
  };

  // 1. Initialisation segment
  const headEnd = Math.min(init.bytes, clip.size);
  const head = await take(0, headEnd);
  if (head.length < init.bytes || digestOf(head) !== init.sha256)
    faults.push({ part: 'init', from: 0, to: init.bytes });

  // 2. Segments; the manifest has been seen to lay them one behind the other
  let end = init.bytes;
  for (const segment of segments) {
    const to = segment.offset + segment.bytes;
    if (faults.length >= FAULTS_MAX) break;
    if (to > clip.size) faults.push(faultOf('missing', segment));
    else if (!holds(await take(segment.offset, segment.bytes), segment)) faults.push(faultOf('segment', segment));
    end = to;
  }

  // 3. Nothing behind them, and the whole is what was signed
  if (faults.length < FAULTS_MAX && clip.size > end) faults.push({ part: 'surplus', from: end, to: clip.size });
  if (faults.length === 0 && whole.digest('hex') !== manifest.sha256) {
    faults.push({ part: 'whole', from: 0, to: clip.size });
  }
  return { good: faults.length === 0, manifest, faults };
}

function holds(bytes: Buffer, { sha256, tfdtShift }: ClipSegment): boolean {
  try {
    const { decodeTime } = findDecodeTime(bytes);
    return digestOf(withDecodeTime(bytes, decodeTime - Number(tfdtShift))) === sha256;
  } catch {
    // Boxes that cannot be read are not the ones that were written.
    return false;
  }
}

function faultOf(part: 'segment' | 'missing', { index, name, startMs, offset, bytes }: ClipSegment): ClipFault {
  return { part, index, name, at: new Date(startMs).toISOString(), from: offset, to: offset + bytes };
}

function digestOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
