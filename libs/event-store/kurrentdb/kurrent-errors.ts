import {
  AccessDeniedError,
  CancelledError,
  DeadlineExceededError,
  MaxAppendSizeExceededError,
  NotLeaderError,
  StreamDeletedError,
  TimeoutError,
  UnavailableError,
  UnknownError,
} from '@kurrent/kurrentdb-client';
import { LimitError, UnreachableError } from '../port.js';

/** Types of errors of the client that are not exported by name. */
const TOO_LARGE = new Set(['append-record-size-exceeded', 'transaction-max-size-exceeded']);
const PERMISSION_DENIED = 7;
const RESOURCE_EXHAUSTED = 8;
const UNAUTHENTICATED = 16;
/** gRPC codes by which a server says that it has done nothing. */
const NOTHING_DONE = new Set([3, 5, 6, 7, 8, 9, 11, 12, 16]);

/** The gRPC status code that an error of the client came from. */
export function grpcCode(error: unknown): number | undefined {
  const { code } = error as { code?: unknown };
  return typeof code === 'number' ? code : undefined;
}

/** Whether the server did not answer, so that nobody knows what it has done. */
export function isSilence(error: unknown): boolean {
  return (
    error instanceof UnavailableError ||
    error instanceof DeadlineExceededError ||
    error instanceof CancelledError ||
    error instanceof TimeoutError ||
    (error instanceof UnknownError && !NOTHING_DONE.has(grpcCode(error) ?? -1)) ||
    (error instanceof Error && /failed to discover|ECONN|socket|channel has been shut down/i.test(error.message))
  );
}

/**
 * Whether the node said that another one leads; it has done nothing. Of multi-stream appends the client does not know
 * this answer and gives it as unknown, with the server's details.
 */
export function isNotLeader(error: unknown): boolean {
  if (error instanceof NotLeaderError) return true;
  const raw = error instanceof UnknownError ? (error as { _raw?: unknown })._raw : undefined;
  const metadata = (raw as { metadata?: { get?(key: string): unknown[] } } | undefined)?.metadata;
  const [details] = metadata?.get?.('grpc-status-details-bin') ?? [];
  return Buffer.isBuffer(details) && details.includes('NotLeaderNodeErrorDetails');
}

/** Whether the server refused who is asking, or what for. */
export function isDenied(error: unknown): boolean {
  return error instanceof AccessDeniedError || [PERMISSION_DENIED, UNAUTHENTICATED].includes(grpcCode(error) ?? -1);
}

/** Whether the server knows who is asking, and refuses what for. */
export function isForbidden(error: unknown): boolean {
  return grpcCode(error) === PERMISSION_DENIED;
}

/** A failed read or a failed question, in the words of the port. */
export function asRead(error: unknown): unknown {
  if (isSilence(error) || isNotLeader(error)) {
    return new UnreachableError(`KurrentDB does not answer (${(error as Error).message})`, { cause: error });
  }
  if (error instanceof StreamDeletedError) {
    return new Error(`stream ${error.streamName} was deleted for good in KurrentDB`, { cause: error });
  }
  return error;
}

/** A refused append in the words of the port, where it is one of size. */
export function asLimit(error: unknown): LimitError | undefined {
  const { type } = error as { type?: unknown };
  const tooLarge = error instanceof MaxAppendSizeExceededError || TOO_LARGE.has(String(type));
  if (tooLarge || grpcCode(error) === RESOURCE_EXHAUSTED) {
    return new LimitError(`KurrentDB takes no append so large: ${(error as Error).message}`);
  }
  return undefined;
}
