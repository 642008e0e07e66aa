import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { type Context, context, ROOT_CONTEXT, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { parseTraceparent } from '#libs/tracing';
import { Drain } from '../health/drain.js';
import { Metrics } from './metrics.js';

/** Probes and scrapes come every few seconds and cause nothing. */
const UNTRACED = /^\/(health\/|metrics$)/;
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/**
 * Watches every request: a server span in the trace that the caller names, the duration by route template, and who is
 * still under way when the process is to end. Call it first of all that hooks into requests, before `listen`.
 */
export function observeHttp(app: NestFastifyApplication): void {
  const fastify = app.getHttpAdapter().getInstance() as unknown as FastifyInstance;
  const metrics = app.get(Metrics);
  const drain = app.get(Drain);
  const traced = new WeakMap<FastifyRequest, Context>();

  fastify.addHook('onRequest', (request, reply, done) => {
    const from = performance.now();
    const span = startSpan(request);
    const within = span === undefined ? ROOT_CONTEXT : trace.setSpan(ROOT_CONTEXT, span);
    traced.set(request, within);
    const leave = drain.enter();
    metrics.requestBegan();
    if (drain.draining) void reply.header('connection', 'close');
    let finished = false;
    reply.raw.once('finish', () => {
      finished = true;
    });
    // Not `onResponse`: that is not called when the client goes away before the end.
    reply.raw.once('close', () => {
      leave();
      const status = finished ? `${Math.floor(reply.raw.statusCode / 100)}xx` : 'aborted';
      if (span !== undefined) endSpan(span, request, reply, status);
      metrics.requestEnded({ ...labelsOf(request), status }, (performance.now() - from) / 1_000);
    });
    context.with(within, done);
  });
  // The body arrives in the context of its socket; from here on the request's own holds again.
  fastify.addHook('preValidation', (request, _reply, done) => {
    context.with(traced.get(request) ?? ROOT_CONTEXT, done);
  });
}

/** Route templates are few; whatever matches none is one of its own, so that strangers cannot make labels. */
function labelsOf(request: FastifyRequest): { route: string; method: string } {
  return {
    route: request.is404 ? 'unmatched' : (request.routeOptions.url ?? 'unmatched'),
    method: METHODS.has(request.method) ? request.method : 'other',
  };
}

/** Names of the attributes by OpenTelemetry's HTTP semantic conventions; no path, no query, no address, no agent. */
function startSpan(request: FastifyRequest): Span | undefined {
  const { method, route } = labelsOf(request);
  if (UNTRACED.test(route)) return undefined;
  const header = request.headers.traceparent;
  const from = parseTraceparent(typeof header === 'string' ? header : undefined);
  const parent = from === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, from);
  const attributes = { 'http.request.method': method, 'http.route': route };
  return trace.getTracer('mingjing').startSpan(`${method} ${route}`, { kind: SpanKind.SERVER, attributes }, parent);
}

function endSpan(span: Span, request: FastifyRequest, { raw }: FastifyReply, status: string): void {
  if (status === 'aborted') span.setAttribute('error.type', 'aborted');
  else span.setAttribute('http.response.status_code', raw.statusCode);
  if (raw.statusCode >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
  const { principal } = request as { principal?: { kind: string } };
  if (principal !== undefined) span.setAttribute('mingjing.principal', principal.kind);
  span.end();
}
