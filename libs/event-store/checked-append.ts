import { isId } from '#libs/kernel';
import {
  BATCH_EVENTS_MAX,
  DuplicateIdError,
  EVENT_BYTES_MAX,
  type EventToAppend,
  LimitError,
  type StreamAppend,
} from './port.js';

/** An event as an adapter writes it: checked, its parts as JSON text. */
export interface WrittenEvent {
  readonly id: string;
  readonly type: string;
  readonly version: number;
  readonly data: string;
  readonly metadata: string;
}

export interface CheckedPart extends Omit<StreamAppend, 'events'> {
  readonly events: readonly WrittenEvent[];
}

export interface CheckedAppend {
  readonly parts: readonly CheckedPart[];
  /** Number of events of all parts. */
  readonly size: number;
  /** JSON bytes of all events. */
  readonly bytes: number;
}

const NAME_LENGTH_MAX = 255;

/**
 * Checks what no adapter needs the store for and turns data into JSON text.
 * @throws LimitError when an event or the batch is too large, or a part is empty
 * @throws DuplicateIdError when an id stands twice in the call
 * @throws TypeError on a bug of the caller: a bad name or id, the same stream twice, data that is not JSON
 */
export function checkAppend(appends: readonly StreamAppend[]): CheckedAppend {
  const ids = new Set<string>();
  const streams = new Set<string>();
  let bytes = 0;
  const parts = appends.map(({ stream, expected, events }): CheckedPart => {
    checkName('stream', stream);
    if (streams.has(stream)) throw new TypeError(`stream ${stream} stands twice in one append`);
    if (typeof expected === 'bigint' && expected < 0n) throw new TypeError(`expected revision ${expected} is negative`);
    if (events.length === 0) throw new LimitError(`no event for stream ${stream}`);
    streams.add(stream);
    const written = events.map((event) => {
      if (!isId(event.id)) throw new TypeError(`event id ${event.id} is not a UUID in lower case`);
      if (ids.has(event.id)) throw new DuplicateIdError(stream, event.id);
      ids.add(event.id);
      if (ids.size > BATCH_EVENTS_MAX) throw new LimitError(`more than ${BATCH_EVENTS_MAX} events in one append`);
      const text = write(event);
      bytes += bytesOf(text);
      return text;
    });
    return { stream, expected, events: written };
  });
  if (ids.size === 0) throw new LimitError('no event to append');
  return { parts, size: ids.size, bytes };
}

function write(event: EventToAppend): WrittenEvent {
  checkName('event type', event.type);
  if (!Number.isSafeInteger(event.version) || event.version < 1) throw new TypeError(`version ${event.version}`);
  const data = JSON.stringify(event.data);
  const metadata = JSON.stringify(event.metadata);
  if (data === undefined || metadata === undefined) throw new TypeError(`data of event ${event.type} is not JSON`);
  const written = { id: event.id, type: event.type, version: event.version, data, metadata };
  const bytes = bytesOf(written);
  if (bytes > EVENT_BYTES_MAX) {
    throw new LimitError(`event ${event.type} has ${bytes} bytes of JSON, at most ${EVENT_BYTES_MAX} are allowed`);
  }
  return written;
}

function bytesOf(event: WrittenEvent): number {
  return Buffer.byteLength(event.data) + Buffer.byteLength(event.metadata);
}

function checkName(what: string, name: string): void {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: names are texts without control characters
  if (name.length === 0 || name.length > NAME_LENGTH_MAX || !name.isWellFormed() || /[\u0000-\u001f]/.test(name)) {
    throw new TypeError(`${what} ${JSON.stringify(name.slice(0, NAME_LENGTH_MAX))} is not a name`);
  }
}
