import { once } from 'node:events';
import type { ServerWritableStream } from '@grpc/grpc-js';
import { deletedV1 } from './failures.js';
import type { Line, Log } from './log.js';
import { pb, shared } from './protocol.js';

type ReadReq = InstanceType<typeof pb.ReadReq>;
type ReadResp = InstanceType<typeof pb.ReadResp>;
type Options = NonNullable<ReturnType<ReadReq['getOptions']>>;
type Call = ServerWritableStream<ReadReq, ReadResp>;

const FORWARDS = 0;
/** Events that a live filter may pass over before it tells how far it is, unless the request says otherwise. */
const WINDOW = 32;

/** What the server has to do with reading. */
interface Hooks {
  /** Is told of every event that has gone out. */
  readonly sent: () => void;
  /** Resolves when the server answers at all. */
  readonly released: () => Promise<void>;
}

/** `Streams.Read`: streams and `$all`, both directions, filters, subscriptions. */
export async function read(log: Log, call: Call, { sent, released }: Hooks): Promise<void> {
  await released();
  const options = call.request.getOptions()!;
  if (options.hasSubscription()) return subscribe(log, call, options, { sent, released });
  const structured = options.getUuidOption()?.hasStructured() ?? true;
  const count = Number(options.getCount());
  const lines = options.hasStream() ? ofStream(log, call, options) : ofAll(log, options);
  if (lines === undefined) return;
  let left = count;
  for (const line of lines) {
    if (left <= 0 || call.cancelled) break;
    await send(call, eventOf(line, structured));
    sent();
    left -= 1;
  }
  call.end();
}

function* ofAll(log: Log, options: Options): Iterable<Line> {
  const filter = filterOf(options);
  const all = options.getAll()!;
  const forwards = options.getReadDirection() === FORWARDS;
  const from = all.hasPosition() ? BigInt(all.getPosition()!.getCommitPosition()) : undefined;
  const lines = log.lines;
  if (forwards) {
    for (let i = from === undefined ? 0 : firstAt(lines, from); i < lines.length; i += 1)
      if (filter(lines[i]!)) yield lines[i]!;
    return;
  }
  const end = from === undefined ? lines.length : firstAt(lines, from);
  for (let i = end - 1; i >= 0; i -= 1) if (filter(lines[i]!)) yield lines[i]!;
}

function ofStream(log: Log, call: Call, options: Options): Iterable<Line> | undefined {
  const stream = options.getStream()!;
  const name = Buffer.from(stream.getStreamIdentifier()!.getStreamName_asU8()).toString('utf8');
  const state = log.state(name);
  if (state === 'tombstoned') {
    call.emit('error', deletedV1(name));
    return undefined;
  }
  if (state !== 'there') {
    const response = new pb.ReadResp();
    const missing = new pb.ReadResp.StreamNotFound();
    missing.setStreamIdentifier(stream.getStreamIdentifier());
    response.setStreamNotFound(missing);
    call.write(response);
    call.end();
    return undefined;
  }
  const lines = log.stream(name);
  const from = stream.hasRevision() ? BigInt(stream.getRevision()) : undefined;
  if (options.getReadDirection() === FORWARDS)
    return lines.filter(({ revision }) => from === undefined || revision >= from);
  return lines.filter(({ revision }) => from === undefined || revision <= from).reverse();
}

async function subscribe(log: Log, call: Call, options: Options, { sent, released }: Hooks): Promise<void> {
  const structured = options.getUuidOption()?.hasStructured() ?? true;
  const filter = filterOf(options);
  const filtered = options.getFilter();
  const window = filtered?.hasMax() ? filtered.getMax() : WINDOW;
  const every = Math.max(1, (filtered?.getCheckpointintervalmultiplier() ?? 1) * window);
  const all = options.getAll()!;
  const from = all.hasPosition() ? BigInt(all.getPosition()!.getCommitPosition()) : undefined;
  let at = all.hasEnd() ? log.lines.length : from === undefined ? 0 : firstAt(log.lines, from + 1n);
  let considered = 0;
  let wake = Promise.withResolvers<void>();
  const stopListening = log.onGrowth(() => wake.resolve());
  call.once('cancelled', () => wake.resolve());
  const confirmation = new pb.ReadResp();
  confirmation.setConfirmation(new pb.ReadResp.SubscriptionConfirmation().setSubscriptionId(crypto.randomUUID()));
  await send(call, confirmation);
  let live = false;
  while (!call.cancelled && !call.destroyed) {
    wake = Promise.withResolvers<void>();
    for (; at < log.lines.length && !call.cancelled; at += 1) {
      await released();
      const line = log.lines[at]!;
      if (filter(line)) {
        await send(call, eventOf(line, structured));
        sent();
      }
      considered += 1;
      if (filtered !== undefined && considered % every === 0) await send(call, checkpointOf(line));
    }
    if (!live) await send(call, caughtUp());
    live = true;
    if (at < log.lines.length) continue;
    await wake.promise;
  }
  stopListening();
}

function filterOf(options: Options): (line: Line) => boolean {
  const filter = options.getFilter();
  if (filter === undefined) return () => true;
  const expression = filter.getStreamIdentifier() ?? filter.getEventType();
  const prefixes = expression?.getPrefixList() ?? [];
  const regex = expression?.getRegex() ? new RegExp(expression.getRegex()) : undefined;
  const of = filter.hasStreamIdentifier() ? (line: Line) => line.stream : (line: Line) => line.type;
  return (line) => prefixes.some((prefix) => of(line).startsWith(prefix)) || regex?.test(of(line)) === true;
}

/** First line at or behind a position. */
function firstAt(lines: readonly Line[], position: bigint): number {
  let [low, high] = [0, lines.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (lines[middle]!.position < position) low = middle + 1;
    else high = middle;
  }
  return low;
}

async function send(call: Call, response: ReadResp): Promise<void> {
  if (call.cancelled || call.destroyed) return;
  if (!call.write(response)) await Promise.race([once(call, 'drain'), once(call, 'cancelled'), once(call, 'close')]);
}

function caughtUp(): ReadResp {
  const response = new pb.ReadResp();
  response.setCaughtUp(new pb.ReadResp.CaughtUp());
  return response;
}

function checkpointOf({ position }: Line): ReadResp {
  const response = new pb.ReadResp();
  const checkpoint = new pb.ReadResp.Checkpoint();
  checkpoint.setCommitPosition(String(position));
  checkpoint.setPreparePosition(String(position));
  response.setCheckpoint(checkpoint);
  return response;
}

function eventOf(line: Line, structured: boolean): ReadResp {
  const recorded = new pb.ReadResp.ReadEvent.RecordedEvent();
  recorded.setId(uuidOf(line.id, structured));
  recorded.setStreamIdentifier(new shared.StreamIdentifier().setStreamName(Buffer.from(line.stream)));
  recorded.setStreamRevision(String(line.revision));
  recorded.setPreparePosition(String(line.position));
  recorded.setCommitPosition(String(line.position));
  recorded.getMetadataMap().set('type', line.type);
  recorded.getMetadataMap().set('content-type', line.json ? 'application/json' : 'application/octet-stream');
  recorded.getMetadataMap().set('created', String(BigInt(line.createdMs) * 10_000n));
  recorded.setCustomMetadata(line.metadata);
  recorded.setData(line.data);
  const event = new pb.ReadResp.ReadEvent();
  event.setEvent(recorded);
  event.setCommitPosition(String(line.position));
  const response = new pb.ReadResp();
  response.setEvent(event);
  return response;
}

function uuidOf(id: string, structured: boolean): InstanceType<typeof shared.UUID> {
  const uuid = new shared.UUID();
  if (!structured) return uuid.setString(id);
  const bytes = Buffer.from(id.replaceAll('-', ''), 'hex');
  const parts = new shared.UUID.Structured();
  parts.setMostSignificantBits(String(bytes.readBigInt64BE(0)));
  parts.setLeastSignificantBits(String(bytes.readBigInt64BE(8)));
  return uuid.setStructured(parts);
}
