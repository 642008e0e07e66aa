/** An RTSP request or response (RFC 2326 §4); header lines without their line ends. */
export interface RtspMessage {
  readonly kind: 'message';
  readonly start: string;
  readonly headers: readonly string[];
  readonly body: Buffer;
}

/** Interleaved media (RFC 2326 §10.12): one or more whole frames. */
export interface RtspFrames {
  readonly kind: 'frames';
  readonly bytes: Buffer;
}

/** The bytes are no RTSP. */
export class RtspError extends Error {
  override readonly name = 'RtspError';
}

const HEAD_BYTES_MAX = 16 * 1024;
const BODY_BYTES_MAX = 64 * 1024;
const DOLLAR = 0x24;

/** Takes an RTSP connection apart as it streams in; holds one message or frame at most. */
export class RtspSplitter {
  #rest: Buffer = Buffer.alloc(0);

  /** Whole messages and frames that these bytes have completed, in order. @throws RtspError on what is no RTSP */
  push(chunk: Buffer): (RtspMessage | RtspFrames)[] {
    const buffer = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const parts: (RtspMessage | RtspFrames)[] = [];
    let at = 0;
    for (;;) {
      const framesEnd = endOfFrames(buffer, at);
      if (framesEnd > at) parts.push({ kind: 'frames', bytes: buffer.subarray(at, framesEnd) });
      at = framesEnd;
      while (at < buffer.length && (buffer[at] === 0x0d || buffer[at] === 0x0a)) at += 1;
      if (at >= buffer.length) break;
      if (buffer[at] === DOLLAR) {
        if (endOfFrames(buffer, at) > at) continue;
        break;
      }
      const message = readMessage(buffer, at);
      if (message === undefined) break;
      parts.push(message.message);
      at = message.end;
    }
    this.#rest = buffer.subarray(at);
    return parts;
  }
}

function endOfFrames(buffer: Buffer, from: number): number {
  let at = from;
  while (at + 4 <= buffer.length && buffer[at] === DOLLAR) {
    const end = at + 4 + buffer.readUInt16BE(at + 2);
    if (end > buffer.length) break;
    at = end;
  }
  return at;
}

function readMessage(buffer: Buffer, from: number): { message: RtspMessage; end: number } | undefined {
  const first = buffer[from]!;
  if (first < 0x41 || first > 0x5a) throw new RtspError('neither a message nor a frame');
  const headEnd = buffer.indexOf('\r\n\r\n', from, 'latin1');
  if ((headEnd < 0 ? buffer.length : headEnd) - from > HEAD_BYTES_MAX) throw new RtspError('a header without end');
  if (headEnd < 0) return undefined;
  const [start = '', ...headers] = buffer.toString('latin1', from, headEnd).split('\r\n');
  const length = headerOf(headers, 'content-length') ?? '0';
  if (!/^\d{1,6}$/.test(length) || Number(length) > BODY_BYTES_MAX) throw new RtspError('a body without bound');
  const end = headEnd + 4 + Number(length);
  if (end > buffer.length) return undefined;
  return { message: { kind: 'message', start, headers, body: buffer.subarray(headEnd + 4, end) }, end };
}

/** Value of the first header of a name (lower case). */
export function headerOf(headers: readonly string[], name: string): string | undefined {
  return headersOf(headers, name)[0];
}

/** Values of all headers of a name (lower case). */
export function headersOf(headers: readonly string[], name: string): string[] {
  return headers.flatMap((line) => {
    const colon = line.indexOf(':');
    return line.slice(0, colon).trim().toLowerCase() === name ? [line.slice(colon + 1).trim()] : [];
  });
}

/** The bytes of a message with some headers replaced, added, or left out (undefined). */
export function writeMessage(
  message: Pick<RtspMessage, 'start' | 'headers' | 'body'>,
  changes: Readonly<Record<string, string | undefined>>,
): Buffer {
  const changed = new Set(Object.keys(changes).map((name) => name.toLowerCase()));
  const kept = message.headers.filter((line) => !changed.has(line.slice(0, line.indexOf(':')).trim().toLowerCase()));
  const added = Object.entries(changes).flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}`]));
  const head = [message.start, ...kept, ...added].join('\r\n');
  return Buffer.concat([Buffer.from(`${head}\r\n\r\n`, 'latin1'), message.body]);
}
