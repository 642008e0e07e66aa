import {
  status as code,
  Metadata,
  type ServerDuplexStream,
  type ServerReadableStream,
  type sendUnaryData,
} from '@grpc/grpc-js';
import type { Log, Outcome, Proposed, StreamWrite } from './log.js';
import { ANY, NO_STREAM, STREAM_EXISTS } from './log.js';
import { Any, pb, shared, status, v2, v2errors } from './protocol.js';

type AppendReq = InstanceType<typeof pb.AppendReq>;
type AppendResp = InstanceType<typeof pb.AppendResp>;
type BatchReq = InstanceType<typeof pb.BatchAppendReq>;
type BatchResp = InstanceType<typeof pb.BatchAppendResp>;
type SessionReq = InstanceType<typeof v2.AppendRequest>;
type SessionResp = InstanceType<typeof v2.AppendSessionResponse>;

/** Decides about one append: write it, refuse it, or let the connection die around it. */
export type Judge = (writes: readonly StreamWrite[]) => Outcome | Failure;

/** An answer that is a gRPC failure. */
export class Failure {
  constructor(
    readonly code: code,
    readonly details: string,
    readonly metadata: Metadata = new Metadata(),
  ) {}
}

/** `Streams.Append`: one stream. */
export function append(
  judge: Judge,
  call: ServerReadableStream<AppendReq, AppendResp>,
  done: sendUnaryData<AppendResp>,
) {
  let options: NonNullable<ReturnType<AppendReq['getOptions']>> | undefined;
  const events: Proposed[] = [];
  call.on('data', (message: AppendReq) => {
    if (message.hasOptions()) options = message.getOptions();
    const proposed = message.getProposedMessage();
    if (proposed !== undefined) events.push(proposedOf(proposed));
  });
  call.on('end', () => {
    const stream = nameOf(options!.getStreamIdentifier()!);
    const expected = options!.hasRevision() ? BigInt(options!.getRevision()) : wordOf(options!);
    const outcome = judge([{ stream, expected, events }]);
    if (outcome instanceof Failure) return done(outcome as never);
    if (outcome.kind === 'deleted') return done(deleted(stream) as never);
    const response = new pb.AppendResp();
    if (outcome.kind === 'conflict') {
      const wrong = new pb.AppendResp.WrongExpectedVersion();
      if (outcome.actual >= 0n) wrong.setCurrentRevision(String(outcome.actual));
      else wrong.setCurrentNoStream(new shared.Empty());
      if (outcome.expected >= 0n) wrong.setExpectedRevision(String(outcome.expected));
      else if (outcome.expected === NO_STREAM) wrong.setExpectedNoStream(new shared.Empty());
      else wrong.setExpectedStreamExists(new shared.Empty());
      response.setWrongExpectedVersion(wrong);
    } else {
      const success = new pb.AppendResp.Success();
      success.setCurrentRevision(String(outcome.revisions[0]));
      const position = new pb.AppendResp.Position();
      position.setCommitPosition(String(outcome.position));
      position.setPreparePosition(String(outcome.position));
      success.setPosition(position);
      response.setSuccess(success);
    }
    done(null, response);
  });
}

/** `Streams.BatchAppend`: many appends over one connection, each answered by its correlation id. */
export function batchAppend(judge: Judge, call: ServerDuplexStream<BatchReq, BatchResp>): void {
  const open = new Map<string, { options: NonNullable<ReturnType<BatchReq['getOptions']>>; events: Proposed[] }>();
  call.on('data', (message: BatchReq) => {
    const correlation = message.getCorrelationId()!;
    const key = Buffer.from(correlation.serializeBinary()).toString('hex');
    const batch = open.get(key) ?? { options: message.getOptions()!, events: [] };
    open.set(key, batch);
    batch.events.push(...message.getProposedMessagesList().map(proposedOf));
    if (!message.getIsFinal()) return;
    open.delete(key);
    const { options, events } = batch;
    const stream = nameOf(options.getStreamIdentifier()!);
    const expected = options.hasStreamPosition() ? BigInt(options.getStreamPosition()) : wordOf(options);
    const outcome = judge([{ stream, expected, events }]);
    if (outcome instanceof Failure) {
      call.emit('error', outcome);
      return;
    }
    const response = new pb.BatchAppendResp();
    response.setCorrelationId(correlation);
    response.setStreamIdentifier(options.getStreamIdentifier());
    if (outcome.kind === 'written') {
      const success = new pb.BatchAppendResp.Success();
      success.setCurrentRevision(String(outcome.revisions[0]));
      success.setPosition(
        new shared.AllStreamPosition()
          .setCommitPosition(String(outcome.position))
          .setPreparePosition(String(outcome.position)),
      );
      response.setSuccess(success);
    } else {
      response.setError(batchError(outcome));
    }
    call.write(response);
  });
  call.on('end', () => call.end());
}

/** `StreamsService.AppendSession` (25.1): all streams of a session in one transaction. */
export function appendSession(
  judge: Judge,
  call: ServerReadableStream<SessionReq, SessionResp>,
  done: sendUnaryData<SessionResp>,
) {
  const writes: StreamWrite[] = [];
  call.on('data', (message: SessionReq) => {
    writes.push({
      stream: message.getStream(),
      expected: BigInt(message.getExpectedRevision() ?? ANY),
      events: message.getRecordsList().map((record) => ({
        id: record.getRecordId() ?? crypto.randomUUID(),
        type: record.getSchema()?.getName() ?? '',
        json: true,
        data: Buffer.from(record.getData_asU8()),
        metadata: Buffer.from(JSON.stringify(propertiesOf(record))),
      })),
    });
  });
  call.on('error', () => undefined);
  call.on('end', () => {
    if (writes.length === 0) return done(new Failure(code.INVALID_ARGUMENT, 'no requests in the session') as never);
    const outcome = judge(writes);
    if (outcome instanceof Failure) return done(outcome as never);
    if (outcome.kind === 'deleted') return done(tombstoned(outcome.stream) as never);
    if (outcome.kind === 'conflict') return done(revisionConflict(outcome) as never);
    const response = new v2.AppendSessionResponse();
    response.setPosition(String(outcome.position));
    writes.forEach(({ stream }, i) => {
      response.addOutput(new v2.AppendResponse().setStream(stream).setStreamRevision(String(outcome.revisions[i])));
    });
    done(null, response);
  });
}

/** `Streams.Delete` and `Streams.Tombstone`. */
export function remove(log: Log, how: 'deleted' | 'tombstoned', name: string): void {
  log.delete(name, how);
}

export function nameOf(identifier: { getStreamName_asU8(): Uint8Array }): string {
  return Buffer.from(identifier.getStreamName_asU8()).toString('utf8');
}

function propertiesOf(record: ReturnType<SessionReq['getRecordsList']>[number]): Record<string, string> {
  const properties: Record<string, string> = {};
  record.getPropertiesMap().forEach((value: { getStringValue(): string }, key: string) => {
    properties[key] = value.getStringValue();
  });
  return properties;
}

function proposedOf(message: {
  getId(): { hasString(): boolean; getString(): string } | undefined;
  getMetadataMap(): { get(key: string): string | undefined };
  getData_asU8(): Uint8Array;
  getCustomMetadata_asU8(): Uint8Array;
}): Proposed {
  return {
    id: message.getId()?.getString() ?? '',
    type: message.getMetadataMap().get('type') ?? '',
    json: message.getMetadataMap().get('content-type') === 'application/json',
    data: Buffer.from(message.getData_asU8()),
    metadata: Buffer.from(message.getCustomMetadata_asU8()),
  };
}

function wordOf(options: { hasNoStream(): boolean; hasStreamExists(): boolean }): bigint {
  if (options.hasNoStream()) return NO_STREAM;
  return options.hasStreamExists() ? STREAM_EXISTS : ANY;
}

function deleted(stream: string): Failure {
  const metadata = new Metadata();
  metadata.set('exception', 'stream-deleted');
  metadata.set('stream-name', stream);
  return new Failure(code.FAILED_PRECONDITION, `Event stream '${stream}' is deleted.`, metadata);
}

function withDetails(url: string, details: Uint8Array, statusCode: code, message: string): Failure {
  const any = new Any();
  any.setTypeUrl(`type.googleapis.com/${url}`);
  any.setValue(details);
  const rich = new status.Status();
  rich.setCode(statusCode as never);
  rich.setMessage(message);
  rich.setDetails(any as never);
  const metadata = new Metadata();
  metadata.set('grpc-status-details-bin', Buffer.from(rich.serializeBinary()));
  return new Failure(statusCode, message, metadata);
}

function tombstoned(stream: string): Failure {
  const details = new v2errors.StreamTombstonedErrorDetails();
  details.setStream(stream);
  const url = 'kurrentdb.protocol.v2.streams.errors.StreamTombstonedErrorDetails';
  return withDetails(url, details.serializeBinary(), code.FAILED_PRECONDITION, `Stream '${stream}' is tombstoned.`);
}

function revisionConflict({ stream, expected, actual }: { stream: string; expected: bigint; actual: bigint }): Failure {
  const details = new v2errors.StreamRevisionConflictErrorDetails();
  details.setStream(stream);
  details.setExpectedRevision(String(expected));
  details.setActualRevision(String(actual));
  const url = 'kurrentdb.protocol.v2.streams.errors.StreamRevisionConflictErrorDetails';
  return withDetails(url, details.serializeBinary(), code.FAILED_PRECONDITION, `Stream '${stream}' is at ${actual}.`);
}

function batchError(outcome: Exclude<Outcome, { kind: 'written' }>): InstanceType<typeof status.Status> {
  const any = new Any();
  if (outcome.kind === 'conflict') {
    const wrong = new shared.WrongExpectedVersion();
    if (outcome.actual >= 0n) wrong.setCurrentStreamRevision(String(outcome.actual));
    if (outcome.expected >= 0n) wrong.setExpectedStreamPosition(String(outcome.expected));
    any.setTypeUrl('type.googleapis.com/event_store.client.WrongExpectedVersion');
    any.setValue(wrong.serializeBinary());
  } else {
    any.setTypeUrl('type.googleapis.com/event_store.client.StreamDeleted');
    any.setValue(new shared.StreamDeleted().serializeBinary());
  }
  const error = new status.Status();
  error.setCode(code.FAILED_PRECONDITION as never);
  error.setDetails(any as never);
  return error;
}
