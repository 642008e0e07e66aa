import {
  type Attributes,
  type Context,
  context,
  isSpanContextValid,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  type SpanOptions,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { Refusal } from '#libs/kernel';
import { formatTraceparent, parseTraceparent } from './traceparent.js';

/** A span that follows many others names so many of them. */
const LINKS_MAX = 32;

/**
 * Runs an action as a span of the trace under way. Without telemetry it only runs the action.
 * @param name of the kind of work, never of one piece of it: no ids, no paths
 * @param attributes never personal data
 */
export function inSpan<T>(
  name: string,
  attributes: Attributes,
  action: () => Promise<T>,
  kind: SpanKind = SpanKind.INTERNAL,
): Promise<T> {
  return run(name, { attributes, kind }, context.active(), action);
}

/** Headers that carry the trace under way to another process; none when there is no trace. */
export function traceHeaders(): { traceparent?: string } {
  const active = activeContext();
  return active === undefined ? {} : { traceparent: formatTraceparent(active) };
}

/** Trace id of the trace under way: 32 hex digits. */
export function activeTraceId(): string | undefined {
  return activeContext()?.traceId;
}

/**
 * Runs an action as the next span of a trace that came from elsewhere: an event's metadata, a message's header. What
 * the action appends or calls belongs to the same trace.
 * @param traceparent one that is absent or malformed begins a trace of its own
 */
export function continueTrace<T>(
  traceparent: string | undefined,
  name: string,
  action: () => Promise<T>,
  attributes: Attributes = {},
): Promise<T> {
  const from = parseTraceparent(traceparent);
  const parent = from === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, from);
  return run(name, { attributes, kind: SpanKind.CONSUMER }, parent, action);
}

/**
 * Runs an action on a batch as one span: the next one of its trace when the whole batch is of one, else a span of its
 * own with links to those it follows, at most 32.
 */
export function followTraces<T>(
  traceparents: readonly (string | undefined)[],
  name: string,
  attributes: Attributes,
  action: () => Promise<T>,
): Promise<T> {
  const [first] = traceparents;
  if (traceparents.every((each) => each === first)) return continueTrace(first, name, action, attributes);
  return run(name, { attributes, kind: SpanKind.CONSUMER }, ROOT_CONTEXT, (span) => {
    // Parsed only when somebody records it.
    if (span.isRecording()) span.addLinks(linksTo(traceparents));
    return action();
  });
}

function linksTo(traceparents: readonly (string | undefined)[]): { context: SpanContext }[] {
  const links: { context: SpanContext }[] = [];
  for (const traceparent of new Set(traceparents)) {
    const parsed = parseTraceparent(traceparent);
    if (parsed !== undefined && links.push({ context: parsed }) >= LINKS_MAX) break;
  }
  return links;
}

function activeContext(): SpanContext | undefined {
  const active = trace.getSpanContext(context.active());
  return active !== undefined && isSpanContextValid(active) ? active : undefined;
}

function run<T>(name: string, options: SpanOptions, parent: Context, action: (span: Span) => Promise<T>): Promise<T> {
  return trace.getTracer('mingjing').startActiveSpan(name, options, parent, async (span) => {
    try {
      return await action(span);
    } catch (error) {
      fail(span, error);
      throw error;
    } finally {
      span.end();
    }
  });
}

/** The kind of the failure, never its text: that may hold what nobody outside may read. */
function fail(span: Span, error: unknown): void {
  if (error instanceof Refusal && error.kind !== 'unavailable') {
    span.setAttribute('mingjing.refusal', error.code);
    return;
  }
  const { code } = error as { code?: unknown };
  const type = typeof code === 'string' ? code : error instanceof Error ? error.name : typeof error;
  span.setAttribute('error.type', type);
  span.setStatus({ code: SpanStatusCode.ERROR });
}
