import {
  AccessDeniedError,
  CancelledError,
  DeadlineExceededError,
  MaxAppendSizeExceededError,
  NotLeaderError,
  TimeoutError,
  UnavailableError,
  UnknownError,
} from '@kurrent/kurrentdb-client';
import { LimitError, UnreachableError } from '../port.js';

/** Types of errors of the client that are not exported by name. */
const TOO_LARGE = new Set(['append-record-size-exceeded', 'transaction-max-size-exceeded']);

/** Whether the server did not answer, so that nobody knows what it has done. */
export function isSilence(error: unknown): boolean {
  return (
    error instanceof UnavailableError ||
    error instanceof DeadlineExceededError ||
    error instanceof CancelledError ||
    error instanceof TimeoutError ||
    error instanceof UnknownError ||
    (error instanceof Error && /failed to discover|ECONN|socket|channel has been shut down/i.test(error.message))
  );
}

/** Whether the node said that another one leads; it has done nothing. */
export function isNotLeader(error: unknown): boolean {
  return error instanceof NotLeaderError;
}

export function isDenied(error: unknown): boolean {
  return error instanceof AccessDeniedError || (error as { code?: unknown }).code === 7;
}

/** A failed read or a failed question, in the words of the port. */
export function asRead(error: unknown): unknown {
  if (isSilence(error) || isNotLeader(error)) {
    return new UnreachableError(`KurrentDB does not answer (${(error as Error).message})`, { cause: error });
  }
  return error;
}

/** A refused append in the words of the port, where it is one of size. */
export function asLimit(error: unknown): LimitError | undefined {
  if (error instanceof MaxAppendSizeExceededError || TOO_LARGE.has(String((error as { type?: unknown }).type))) {
    return new LimitError(`KurrentDB takes no append so large: ${(error as Error).message}`);
  }
  return undefined;
}
