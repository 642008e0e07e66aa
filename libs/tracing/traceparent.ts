import { isSpanContextValid, type SpanContext } from '@opentelemetry/api';

const SHAPE = /^(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[\x21-\x7e]*)?$/;
const LENGTH_MAX = 255;
const SAMPLED = 0x01;

/**
 * Reads a `traceparent` (W3C Trace Context §3.2): 32 hex digits of the trace, 16 of the calling span, flags. What does
 * not fit is as good as absent; of the flags only `sampled` is kept, the others have no meaning here.
 */
export function parseTraceparent(text: string | undefined): SpanContext | undefined {
  if (text === undefined || text.length > LENGTH_MAX) return undefined;
  const [, version, traceId, spanId, flags, more] = SHAPE.exec(text) ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  // Version 00 ends here; what later versions append is not for us (§4.3).
  if (version === '00' && more !== undefined) return undefined;
  const parsed = { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & SAMPLED, isRemote: true };
  return isSpanContextValid(parsed) ? parsed : undefined;
}

/** Writes a `traceparent` of version 00. */
export function formatTraceparent({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-0${traceFlags & SAMPLED}`;
}
