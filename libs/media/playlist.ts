import type { Segment } from './segment-index.js';

/** Segments that a live playlist shows. */
export const LIVE_SEGMENTS = 6;

/** Place of a live window in the endless row of segments (RFC 8216 §4.3.3.2, §4.3.3.3). */
export interface LivePlace {
  readonly mediaSequence: number;
  readonly discontinuitySequence: number;
}

/**
 * Playlist of recorded footage (RFC 8216): complete, with the wall clock at the begin of each epoch.
 * @param segments in order, at least one
 * @param query what each address ends in, such as `?ticket=…`
 */
export function recordedPlaylist(segments: readonly Segment[], query: string): string {
  return [
    ...head(segments),
    '#EXT-X-PLAYLIST-TYPE:VOD',
    '#EXT-X-MEDIA-SEQUENCE:0',
    ...body(segments, query),
    '#EXT-X-ENDLIST',
    '',
  ].join('\n');
}

/** Sliding playlist of the newest footage. */
export function livePlaylist(segments: readonly Segment[], place: LivePlace, query: string): string {
  return [
    ...head(segments),
    `#EXT-X-MEDIA-SEQUENCE:${place.mediaSequence}`,
    `#EXT-X-DISCONTINUITY-SEQUENCE:${place.discontinuitySequence}`,
    ...body(segments, query),
    '',
  ].join('\n');
}

function head(segments: readonly Segment[]): string[] {
  // RFC 8216 §4.3.3.1: no segment, rounded to a whole second, may be longer.
  const longest = segments.reduce((most, { durationMs }) => Math.max(most, durationMs), 1_000);
  return ['#EXTM3U', '#EXT-X-VERSION:7', `#EXT-X-TARGETDURATION:${Math.round(longest / 1_000)}`];
}

function body(segments: readonly Segment[], query: string): string[] {
  const lines: string[] = [];
  let epoch: number | undefined;
  let end = 0;
  for (const { epoch: of, n, startMs, durationMs } of segments) {
    if (of !== epoch) {
      if (epoch !== undefined) lines.push('#EXT-X-DISCONTINUITY');
      lines.push(`#EXT-X-MAP:URI="${of}/init.mp4${query}"`);
    }
    // Once an epoch would do, but a player that joins in the middle of a gap would count on from the wrong moment.
    if (of !== epoch || Math.abs(startMs - end) > 1) {
      lines.push(`#EXT-X-PROGRAM-DATE-TIME:${new Date(startMs).toISOString()}`);
    }
    lines.push(`#EXTINF:${(durationMs / 1_000).toFixed(3)},`, `${of}/${n}.m4s${query}`);
    epoch = of;
    end = startMs + durationMs;
  }
  return lines;
}

interface Shown {
  readonly segments: readonly Segment[];
  readonly place: LivePlace;
}

const CAMERAS_MAX = 10_000;

/**
 * Numbers the segments of live windows: each keeps its number while it can be seen, over epochs too, whoever asks.
 * A window that none was asked for between is taken to be new, with higher numbers.
 */
export class LiveNumbering {
  readonly #shown = new Map<string, Shown>();

  /** @param segments newest of one camera, in order, at least those that were shown last if they still exist */
  place(cameraId: string, segments: readonly Segment[]): LivePlace {
    const before = this.#shown.get(cameraId);
    const [first] = segments;
    if (before === undefined || first === undefined) {
      const place = before?.place ?? { mediaSequence: 0, discontinuitySequence: 0 };
      if (first !== undefined) this.#shown.set(cameraId, { segments, place });
      return place;
    }
    const place = next(before, first);
    this.#shown.delete(cameraId);
    this.#shown.set(cameraId, { segments, place });
    const oldest = this.#shown.size > CAMERAS_MAX ? this.#shown.keys().next().value : undefined;
    if (oldest !== undefined) this.#shown.delete(oldest);
    return place;
  }
}

function next({ segments: before, place }: Shown, first: Segment): LivePlace {
  const kept = before.findIndex(({ epoch, n }) => epoch === first.epoch && n === first.n);
  const gone = kept < 0 ? before : before.slice(0, kept);
  const after = [...gone, first];
  const changes = after.slice(1).filter(({ epoch }, at) => epoch !== after[at]!.epoch).length;
  return {
    mediaSequence: place.mediaSequence + gone.length,
    // Of a change at the very edge the tag itself is gone too.
    discontinuitySequence: place.discontinuitySequence + changes,
  };
}
