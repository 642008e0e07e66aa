import { status as code, type ServerDuplexStream, type ServerReadableStream, type sendUnaryData } from '@grpc/grpc-js';
import { deletedV1, Failure, revisionConflict, tombstoned, withDetails } from './failures.js';
import type { Outcome, Proposed, StreamWrite } from './log.js';
import { ANY, NO_STREAM, STREAM_EXISTS } from './log.js';
import { Any, pb, shared, status, v2 } from './protocol.js';

type AppendReq = InstanceType<typeof pb.AppendReq>;
type AppendResp = InstanceType<typeof pb.AppendResp>;
type BatchReq = InstanceType<typeof pb.BatchAppendReq>;
type BatchResp = InstanceType<typeof pb.BatchAppendResp>;
type SessionReq = InstanceType<typeof v2.AppendRequest>;
type SessionResp = InstanceType<typeof v2.AppendSessionResponse>;

/** Decides about one append: write it, refuse it, or never answer. */
export type Judge = (writes: readonly StreamWrite[]) => Promise<Outcome | Failure | undefined>;

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
  call.on('end', async () => {
    const stream = nameOf(options!.getStreamIdentifier()!);
    const expected = options!.hasRevision() ? BigInt(options!.getRevision()) : wordOf(options!);
    const outcome = await judge([{ stream, expected, events }]);
    if (outcome === undefined) return;
    if (outcome instanceof Failure) return done(outcome as never);
    if (outcome.kind === 'deleted') return done(deletedV1(stream) as never);
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
  call.on('data', async (message: BatchReq) => {
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
    const outcome = await judge([{ stream, expected, events }]);
    if (outcome === undefined) return;
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
  call.on('end', async () => {
    if (writes.length === 0) return done(noRequests() as never);
    const outcome = await judge(writes);
    if (outcome === undefined) return;
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

function noRequests(): Failure {
  const message = 'Append session started, but no append requests were sent before ending the session.';
  return withDetails('STREAMS_ERROR_APPEND_SESSION_NO_REQUESTS', undefined, code.FAILED_PRECONDITION, message);
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
