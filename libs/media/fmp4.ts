import { createHash } from 'node:crypto';
import { type Box, BoxError, BoxReader, boxesIn, findBox, readHeader } from './boxes.js';

/** What an initialisation segment says of its one video track. */
export interface VideoTrack {
  readonly trackId: number;
  /** Units a second of decode times and durations. */
  readonly timescale: number;
  /** RFC 6381, such as `avc1.64001f` or `hvc1.1.6.L93.B0`. */
  readonly codec: string;
  readonly width: number;
  readonly height: number;
  /** Digest of all that decoding rests on; fragments fit any initialisation segment with the same one. */
  readonly configuration: string;
  /** Sample defaults of the movie (trex), for fragments that leave them out. */
  readonly defaultDuration: number;
  readonly defaultSize: number;
  readonly defaultFlags: number;
}

/** `ftyp` and `moov`: what a player needs before the first fragment. */
export interface InitSegment {
  readonly kind: 'init';
  readonly bytes: Buffer;
  readonly track: VideoTrack;
}

/** `moof` and `mdat`: one run of pictures that begins with a key frame. */
export interface Fragment {
  readonly kind: 'fragment';
  readonly bytes: Buffer;
  /** In units of the timescale. */
  readonly decodeTime: number;
  readonly duration: number;
  readonly samples: number;
}

const INIT_BYTES_MAX = 256 * 1024;
const MOOF_BYTES_MAX = 1024 * 1024;
const MDAT_BYTES_MAX = 64 * 1024 * 1024;
/** A run of pictures longer than this is no fragment of live video. */
const FRAGMENT_SECONDS_MAX = 60;
const SAMPLES_MAX = 20_000;
const IGNORED = new Set(['styp', 'sidx', 'mfra', 'free', 'prft', 'emsg']);

/**
 * Takes fragmented MP4 apart as it streams in. Bounded: holds one fragment at most, refuses boxes that are too large,
 * of an unknown type, or out of place.
 */
export class Fmp4Parser {
  #chunks: Buffer[] = [];
  #held = 0;
  #wanted = 8;
  #head: Buffer[] = [];
  #track: VideoTrack | undefined;

  /** Parts that these bytes have completed. @throws BoxError on what is no fragmented MP4 of one video track */
  push(chunk: Buffer): (InitSegment | Fragment)[] {
    this.#chunks.push(chunk);
    this.#held += chunk.length;
    if (this.#held < this.#wanted) return [];
    const buffer = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#held);
    const parts: (InitSegment | Fragment)[] = [];
    let at = 0;
    this.#wanted = 8;
    for (;;) {
      const header = readHeader(buffer, at);
      if (header === undefined) {
        this.#wanted = buffer.length - at < 8 ? 8 : 16;
        break;
      }
      refuseOversize(header.type, header.size);
      if (at + header.size > buffer.length) {
        this.#wanted = header.size;
        break;
      }
      const part = this.#take(header.type, buffer.subarray(at, at + header.size));
      if (part !== undefined) parts.push(part);
      at += header.size;
    }
    const rest = buffer.subarray(at);
    this.#chunks = rest.length === 0 ? [] : [rest];
    this.#held = rest.length;
    return parts;
  }

  #take(type: string, box: Buffer): InitSegment | Fragment | undefined {
    if (IGNORED.has(type)) return undefined;
    const after = this.#head.length;
    const expected = this.#track === undefined ? (after === 0 ? 'ftyp' : 'moov') : after === 0 ? 'moof' : 'mdat';
    if (type !== expected) throw new BoxError(`${type} where ${expected} belongs`);
    this.#head.push(box);
    if (after === 0) return undefined;
    const bytes = Buffer.concat(this.#head);
    this.#head = [];
    if (this.#track !== undefined) return readFragment(bytes, this.#track);
    this.#track = readTrack(bytes);
    return { kind: 'init', bytes, track: this.#track };
  }
}

function refuseOversize(type: string, size: number): void {
  const most = type === 'mdat' ? MDAT_BYTES_MAX : type === 'moof' ? MOOF_BYTES_MAX : INIT_BYTES_MAX;
  if (type !== 'mfra' && size > most) throw new BoxError(`box ${type} of ${size} bytes is too large`);
}

/** Reads an initialisation segment. @throws BoxError unless it describes exactly one track, H.264 or H.265 video */
export function readTrack(init: Buffer): VideoTrack {
  const moov = findBox(init, 'moov');
  const tracks = boxesIn(init, moov.content, moov.end).filter(({ type }) => type === 'trak');
  if (tracks.length !== 1) throw new BoxError(`${tracks.length} tracks where one belongs`);
  const trak = tracks[0]!;
  const inTrak = (path: string) => findBox(init, path, trak.content, trak.end);
  const trackId = tkhdTrackId(init, inTrak('tkhd'));
  const mdhd = new BoxReader(init, inTrak('mdia/mdhd'));
  const timescale = mdhd.u8() === 1 ? mdhd.skip(3 + 16).u32() : mdhd.skip(3 + 8).u32();
  if (timescale < 1 || timescale > 100_000_000) throw new BoxError(`timescale ${timescale}`);
  const stsd = inTrak('mdia/minf/stbl/stsd');
  const [entry, ...more] = boxesIn(init, stsd.content + 8, stsd.end);
  if (entry === undefined || more.length > 0) throw new BoxError('one sample description belongs here');
  const picture = new BoxReader(init, entry).skip(24);
  const [width, height] = [picture.u16(), picture.u16()];
  if (width === 0 || height === 0) throw new BoxError('a picture without size');
  const { codec, record } = readCodec(init, entry);
  const trex = findBox(init, 'moov/mvex/trex');
  const defaults = new BoxReader(init, trex).skip(12);
  const [defaultDuration, defaultSize, defaultFlags] = [defaults.u32(), defaults.u32(), defaults.u32()];
  const configuration = createHash('sha256')
    .update(`${entry.type} ${trackId} ${timescale} ${width}x${height} `)
    .update(record)
    .update(init.subarray(trex.content, trex.end))
    .digest('hex');
  return { trackId, timescale, codec, width, height, configuration, defaultDuration, defaultSize, defaultFlags };
}

function tkhdTrackId(init: Buffer, box: Box): number {
  const tkhd = new BoxReader(init, box);
  return tkhd.u8() === 1 ? tkhd.skip(3 + 16).u32() : tkhd.skip(3 + 8).u32();
}

/** RFC 6381 §3.3 and ISO/IEC 14496-15 annex E. */
function readCodec(init: Buffer, entry: Box): { codec: string; record: Buffer } {
  const inner = (type: string) => {
    // A visual sample entry has 78 bytes before its boxes.
    const box = boxesIn(init, entry.content + 78, entry.end).find((b) => b.type === type);
    if (box === undefined) throw new BoxError(`no ${type}`);
    return { reader: new BoxReader(init, box), record: init.subarray(box.content, box.end) };
  };
  if (entry.type === 'avc1' || entry.type === 'avc3') {
    const { reader, record } = inner('avcC');
    return { codec: `${entry.type}.${reader.skip(1).bytes(3).toString('hex')}`, record };
  }
  if (entry.type === 'hvc1' || entry.type === 'hev1') {
    const { reader, record } = inner('hvcC');
    const profile = reader.skip(1).u8();
    const compatibility = Number.parseInt(reader.u32().toString(2).padStart(32, '0').split('').reverse().join(''), 2);
    const constraints = [...reader.bytes(6)];
    while (constraints.at(-1) === 0) constraints.pop();
    const level = reader.u8();
    const space = ['', 'A', 'B', 'C'][profile >> 6]!;
    const tier = (profile & 0x20) === 0 ? 'L' : 'H';
    const tail = constraints.map((byte) => `.${byte.toString(16).toUpperCase()}`).join('');
    const head = `${entry.type}.${space}${profile & 0x1f}.${compatibility.toString(16).toUpperCase()}`;
    return { codec: `${head}.${tier}${level}${tail}`, record };
  }
  throw new BoxError(`${entry.type} is neither H.264 nor H.265 video`);
}

/** Reads a fragment of a track. @throws BoxError when it is of another track, empty, or does not begin with a key frame */
export function readFragment(bytes: Buffer, track: VideoTrack): Fragment {
  const moof = findBox(bytes, 'moof');
  const trafs = boxesIn(bytes, moof.content, moof.end).filter(({ type }) => type === 'traf');
  if (trafs.length !== 1) throw new BoxError(`${trafs.length} track fragments where one belongs`);
  const { content, end } = trafs[0]!;
  const { decodeTime } = findDecodeTime(bytes);

  // 1. Defaults of the fragment (§8.8.7)
  const tfhd = new BoxReader(bytes, findBox(bytes, 'tfhd', content, end));
  const has = tfhd.u32();
  if (tfhd.u32() !== track.trackId) throw new BoxError('a fragment of another track');
  if ((has & 0x1) !== 0) tfhd.skip(8);
  if ((has & 0x2) !== 0) tfhd.skip(4);
  const defaultDuration = (has & 0x8) !== 0 ? tfhd.u32() : track.defaultDuration;
  const defaultSize = (has & 0x10) !== 0 ? tfhd.u32() : track.defaultSize;
  const defaultFlags = (has & 0x20) !== 0 ? tfhd.u32() : track.defaultFlags;

  // 2. Runs of samples (§8.8.8)
  let [duration, samples, size] = [0, 0, 0];
  for (const box of boxesIn(bytes, content, end).filter(({ type }) => type === 'trun')) {
    const trun = new BoxReader(bytes, box);
    const flags = trun.u32() & 0xffffff;
    const count = trun.u32();
    // Without fields of their own, samples cost no bytes: four thousand million would fit into twenty.
    if (count > SAMPLES_MAX) throw new BoxError(`a run of ${count} pictures`);
    if ((flags & 0x1) !== 0) trun.skip(4);
    const first = (flags & 0x4) !== 0 ? trun.u32() : undefined;
    for (let i = 0; i < count; i += 1) {
      duration += (flags & 0x100) !== 0 ? trun.u32() : defaultDuration;
      size += (flags & 0x200) !== 0 ? trun.u32() : defaultSize;
      const own = (flags & 0x400) !== 0 ? trun.u32() : undefined;
      if ((flags & 0x800) !== 0) trun.skip(4);
      const sampleFlags = (i === 0 ? first : undefined) ?? own ?? defaultFlags;
      const isKeyFrame = (sampleFlags & 0x10000) === 0;
      if (samples === 0 && i === 0 && !isKeyFrame) throw new BoxError('a fragment that begins in mid-picture');
    }
    samples += count;
  }
  if (samples === 0) throw new BoxError('a fragment without pictures');
  const mdat = findBox(bytes, 'mdat');
  if (size === 0 || size > mdat.end - mdat.content) throw new BoxError('pictures that are not where they should be');
  if (duration === 0 && samples > 1) throw new BoxError('pictures that last no time');
  if (duration > FRAGMENT_SECONDS_MAX * track.timescale) throw new BoxError('a fragment longer than a minute');
  return { kind: 'fragment', bytes, decodeTime, duration, samples };
}

/** Where a fragment's decode time stands and what it is (tfdt, §8.8.12). @throws BoxError */
export function findDecodeTime(bytes: Buffer): {
  readonly at: number;
  readonly wide: boolean;
  readonly decodeTime: number;
} {
  const tfdt = new BoxReader(bytes, findBox(bytes, 'moof/traf/tfdt'));
  const wide = tfdt.u8() === 1;
  const { at } = tfdt.skip(3);
  return { at, wide, decodeTime: wide ? tfdt.u64() : tfdt.u32() };
}

/** The same fragment at another decode time. @throws BoxError when the time does not fit */
export function withDecodeTime(bytes: Buffer, decodeTime: number): Buffer {
  const { at, wide } = findDecodeTime(bytes);
  if (decodeTime < 0 || !Number.isSafeInteger(decodeTime) || (!wide && decodeTime > 0xffffffff)) {
    throw new BoxError(`decode time ${decodeTime} does not fit`);
  }
  const moved = Buffer.from(bytes);
  if (wide) moved.writeBigUInt64BE(BigInt(decodeTime), at);
  else moved.writeUInt32BE(decodeTime, at);
  return moved;
}
