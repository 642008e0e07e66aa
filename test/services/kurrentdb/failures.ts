import { status as code, Metadata } from '@grpc/grpc-js';
import { Any, rpcErrors, status, v2errors } from './protocol.js';

/** An answer that is a gRPC failure. */
export class Failure {
  constructor(
    readonly code: code,
    readonly details: string,
    readonly metadata: Metadata = new Metadata(),
  ) {}
}

interface Details {
  readonly url: string;
  readonly bytes: Uint8Array;
}

/** A failure as the server's second protocol tells it: google.rpc.Status with an ErrorInfo, then the details. */
export function withDetails(reason: string, details: Details | undefined, statusCode: code, message: string): Failure {
  const info = { url: 'google.rpc.ErrorInfo', bytes: errorInfo(reason) };
  const first = statusOf(info);
  first.setCode(statusCode as never);
  first.setMessage(message);
  // The client's copy of Status knows one detail only; two messages one behind the other are the list of both.
  const rest = details === undefined ? [] : [statusOf(details).serializeBinary()];
  const metadata = new Metadata();
  metadata.set('grpc-status-details-bin', Buffer.concat([first.serializeBinary(), ...rest]));
  return new Failure(statusCode, message, metadata);
}

function statusOf({ url, bytes }: Details): InstanceType<typeof status.Status> {
  const any = new Any();
  any.setTypeUrl(`type.googleapis.com/${url}`);
  any.setValue(bytes);
  const rich = new status.Status();
  rich.setDetails(any as never);
  return rich;
}

/** ErrorInfo is a message of Google's that the client does not carry: reason is its first field. */
function errorInfo(reason: string): Uint8Array {
  return Buffer.concat([Buffer.from([0x0a, reason.length]), Buffer.from(reason)]);
}

export function tombstoned(stream: string): Failure {
  const details = new v2errors.StreamTombstonedErrorDetails();
  details.setStream(stream);
  const url = 'kurrentdb.protocol.v2.streams.errors.StreamTombstonedErrorDetails';
  return withDetails(
    'STREAMS_ERROR_STREAM_TOMBSTONED',
    { url, bytes: details.serializeBinary() },
    code.FAILED_PRECONDITION,
    `Stream '${stream}' has been tombstoned.`,
  );
}

export function revisionConflict(conflict: { stream: string; expected: bigint; actual: bigint }): Failure {
  const { stream, expected, actual } = conflict;
  const details = new v2errors.StreamRevisionConflictErrorDetails();
  details.setStream(stream);
  details.setExpectedRevision(String(expected));
  details.setActualRevision(String(actual));
  const url = 'kurrentdb.protocol.v2.streams.errors.StreamRevisionConflictErrorDetails';
  return withDetails(
    'STREAMS_ERROR_STREAM_REVISION_CONFLICT',
    { url, bytes: details.serializeBinary() },
    code.FAILED_PRECONDITION,
    `Append failed due to a revision conflict on stream '${stream}'.`,
  );
}

/** Of the second protocol, which the client does not know: it sees an unknown failure. */
export function notLeader(host: string, port: number): Failure {
  const details = new rpcErrors.NotLeaderNodeErrorDetails();
  details.setCurrentLeader(new rpcErrors.NotLeaderNodeErrorDetails.NodeInfo().setHost(host).setPort(port));
  return withDetails(
    'SERVER_ERROR_NOT_LEADER_NODE',
    { url: 'kurrent.rpc.NotLeaderNodeErrorDetails', bytes: details.serializeBinary() },
    code.FAILED_PRECONDITION,
    'The server is not the leader node and cannot handle the request.',
  );
}

/** Of the first protocol: reads that ask for the leader. */
export function notLeaderV1(host: string, port: number): Failure {
  const metadata = exception('not-leader');
  metadata.set('leader-endpoint-host', host);
  metadata.set('leader-endpoint-port', String(port));
  return new Failure(code.NOT_FOUND, 'Leader info available', metadata);
}

export function denied(operation: string): Failure {
  const details = new rpcErrors.AccessDeniedErrorDetails();
  details.setOperation(operation);
  return withDetails(
    'SERVER_ERROR_ACCESS_DENIED',
    { url: 'kurrent.rpc.AccessDeniedErrorDetails', bytes: details.serializeBinary() },
    code.PERMISSION_DENIED,
    `Access denied. Insufficient permissions to perform ${operation}`,
  );
}

export function deniedV1(): Failure {
  return new Failure(code.PERMISSION_DENIED, 'Access Denied', exception('access-denied'));
}

export function deletedV1(stream: string): Failure {
  const metadata = exception('stream-deleted');
  metadata.set('stream-name', stream);
  return new Failure(code.FAILED_PRECONDITION, `Event stream '${stream}' is deleted.`, metadata);
}

export function userConflict(name: string): Failure {
  const metadata = exception('user-conflict');
  metadata.set('login-name', name);
  return new Failure(code.FAILED_PRECONDITION, `User '${name}' already exists.`, metadata);
}

function exception(name: string): Metadata {
  const metadata = new Metadata();
  metadata.set('exception', name);
  return metadata;
}
