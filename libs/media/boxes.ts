/** One box of an ISO base media file (ISO/IEC 14496-12 §4.2); offsets are into the buffer it was found in. */
export interface Box {
  readonly type: string;
  readonly start: number;
  /** Where its content begins. */
  readonly content: number;
  readonly end: number;
}

/** The bytes are no well-formed ISO base media. */
export class BoxError extends Error {
  override readonly name = 'BoxError';
}

const BOXES_MAX = 1_000;

/** Boxes that lie one after the other in a part of a buffer. @throws BoxError when they do not fill it exactly */
export function boxesIn(buffer: Buffer, from = 0, to = buffer.length): Box[] {
  const boxes: Box[] = [];
  let at = from;
  while (at < to) {
    const header = readHeader(buffer, at, to);
    if (header === undefined || at + header.size > to || boxes.length >= BOXES_MAX) {
      throw new BoxError(`no whole box at byte ${at}`);
    }
    boxes.push({ type: header.type, start: at, content: at + header.headerSize, end: at + header.size });
    at += header.size;
  }
  return boxes;
}

/** The first box of a type, or of a path of types such as `moof/traf/tfdt`. @throws BoxError when there is none */
export function findBox(buffer: Buffer, path: string, from = 0, to = buffer.length): Box {
  let found: Box = { type: '', start: from, content: from, end: to };
  for (const type of path.split('/')) {
    const child = boxesIn(buffer, found.content, found.end).find((box) => box.type === type);
    if (child === undefined) throw new BoxError(`no ${path}`);
    found = child;
  }
  return found;
}

/** Size and type of the box that begins at a byte; undefined while too few bytes are there. @throws BoxError */
export function readHeader(buffer: Buffer, at: number, to = buffer.length) {
  if (at + 8 > to) return undefined;
  const type = buffer.toString('latin1', at + 4, at + 8);
  if (!/^[\x20-\x7e]{4}$/.test(type)) throw new BoxError(`no box type at byte ${at + 4}`);
  let size = buffer.readUInt32BE(at);
  let headerSize = 8;
  if (size === 1) {
    if (at + 16 > to) return undefined;
    const large = buffer.readBigUInt64BE(at + 8);
    if (large > BigInt(Number.MAX_SAFE_INTEGER)) throw new BoxError(`box ${type} is larger than anything`);
    size = Number(large);
    headerSize = 16;
  }
  if (size < headerSize) throw new BoxError(`box ${type} at byte ${at} says ${size} bytes`);
  return { type, size, headerSize };
}

/** Bounds-checked reading of a box's content. @throws BoxError past its end */
export class BoxReader {
  #at: number;

  constructor(
    private readonly buffer: Buffer,
    private readonly box: Box,
  ) {
    this.#at = box.content;
  }

  get at(): number {
    return this.#at;
  }

  skip(bytes: number): this {
    this.#take(bytes);
    return this;
  }

  u8(): number {
    return this.buffer.readUInt8(this.#take(1));
  }

  u16(): number {
    return this.buffer.readUInt16BE(this.#take(2));
  }

  u32(): number {
    return this.buffer.readUInt32BE(this.#take(4));
  }

  /** @throws BoxError also when the number is beyond 2^53 */
  u64(): number {
    const value = this.buffer.readBigUInt64BE(this.#take(8));
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new BoxError(`a number in ${this.box.type} is beyond 2^53`);
    return Number(value);
  }

  bytes(count: number): Buffer {
    const at = this.#take(count);
    return this.buffer.subarray(at, at + count);
  }

  #take(bytes: number): number {
    const at = this.#at;
    if (at + bytes > this.box.end) throw new BoxError(`box ${this.box.type} ends too early`);
    this.#at += bytes;
    return at;
  }
}
