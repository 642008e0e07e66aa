import { createHash } from 'node:crypto';
import { GAPS_MAX } from './recording.events.js';
import type { Segment } from './segment-index.js';

/** A minute of recorded video, sealed. */
export interface Seal {
  readonly cameraId: string;
  /** Beginning of the minute, ISO 8601 UTC. */
  readonly minute: string;
  /** Beginning of the first segment that begins in the minute. */
  readonly from: string;
  /** End of the last one. */
  readonly to: string;
  readonly segments: number;
  /** {@link merkleRoot} of the segments, hexadecimal. */
  readonly root: string;
  readonly gaps: readonly { readonly from: string; readonly to: string }[];
}

export const MINUTE_MS = 60_000;
/** Shorter gaps come of rounding and of key frames that are not quite on time. */
const GAP_MS_MIN = 500;

/**
 * Merkle tree hash of RFC 6962 §2.1 over digests of segments, each hashed as a leaf.
 * @param digests SHA-256 of the segments, hexadecimal, in the order of time
 */
export function merkleRoot(digests: readonly string[]): string {
  return treeHash(digests.map((digest) => hash(0, Buffer.from(digest, 'hex')))).toString('hex');
}

function treeHash(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 0) return createHash('sha256').digest();
  if (leaves.length === 1) return leaves[0]!;
  // The largest power of two that is smaller than the number of leaves.
  const left = 2 ** Math.floor(Math.log2(leaves.length - 1));
  return hash(1, treeHash(leaves.slice(0, left)), treeHash(leaves.slice(left)));
}

function hash(prefix: 0 | 1, ...parts: Buffer[]): Buffer {
  return createHash('sha256')
    .update(Buffer.concat([Buffer.of(prefix), ...parts]))
    .digest();
}

/**
 * Seals a minute.
 * @param segments those that begin in the minute, by time; at least one
 * @param coveredUntil where the segment before them ends, ms; anything earlier when there is none
 */
export function sealMinute(
  cameraId: string,
  minuteMs: number,
  segments: readonly Segment[],
  coveredUntil: number,
): Seal {
  const last = segments.at(-1)!;
  return {
    cameraId,
    minute: iso(minuteMs),
    from: iso(segments[0]!.startMs),
    to: iso(last.startMs + last.durationMs),
    segments: segments.length,
    root: merkleRoot(segments.map(({ sha256 }) => sha256)),
    gaps: gapsOf(minuteMs, segments, coveredUntil),
  };
}

function gapsOf(minuteMs: number, segments: readonly Segment[], coveredUntil: number): Seal['gaps'] {
  const gaps: { from: string; to: string }[] = [];
  const end = minuteMs + MINUTE_MS;
  let covered = Math.max(minuteMs, coveredUntil);
  for (const startMs of [...segments.map((segment) => segment.startMs), end]) {
    if (startMs - covered >= GAP_MS_MIN && gaps.length < GAPS_MAX) gaps.push({ from: iso(covered), to: iso(startMs) });
    const segment = segments.find((candidate) => candidate.startMs === startMs);
    if (segment) covered = Math.max(covered, startMs + segment.durationMs);
  }
  return gaps;
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
