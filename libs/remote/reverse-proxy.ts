import { randomUUID } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Refusal } from '#libs/kernel';
import { problemOf, STATUS } from '#libs/platform';
import { traceHeaders } from '#libs/tracing';
import type { Upstream } from './upstream.js';

/** Which addresses a service answers: every path that begins with one of the prefixes. */
export interface ProxyRoute {
  readonly prefixes: readonly string[];
  readonly upstream: Upstream;
}

const BODY_BYTES_MAX = 256 * 1024;
/** The head of an answer comes after the slowest act: a probe of a camera, a clip's first bytes. */
const DEADLINE_MS = 30_000;
/** Headers of one connection (RFC 9110 §7.6.1), which end here. */
const HOP_BY_HOP = new Set([
  'connection',
  'host',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'content-length',
  'expect',
  // The trace goes on from the span of this process.
  'traceparent',
  'tracestate',
  'baggage',
]);

/**
 * Hands requests on to the services. A write without an Idempotency-Key gets one, so that every request may be
 * delivered again when a replica goes away in the middle: the service answers the second time with the first result.
 */
export function proxyTo(fastify: FastifyInstance, routes: readonly ProxyRoute[]): void {
  // Not awaited: that would begin Fastify's start before Nest has set its error handler.
  void fastify.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: BODY_BYTES_MAX }, (_request, body, done) =>
      done(null, body),
    );
    for (const { prefixes, upstream } of routes) {
      for (const prefix of prefixes) {
        const handler = (request: FastifyRequest, reply: FastifyReply) => handOn(upstream, request, reply);
        scope.all(prefix, handler);
        scope.all(`${prefix}/*`, handler);
      }
    }
  });
}

async function handOn(upstream: Upstream, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const gone = new AbortController();
  reply.raw.once('close', () => gone.abort());
  try {
    const { statusCode, headers, body } = await upstream.request({
      method: request.method,
      path: request.url,
      headers: headersOf(request),
      body: request.body instanceof Buffer ? request.body : undefined,
      deadlineMs: DEADLINE_MS,
      repeatable: true,
      signal: gone.signal,
    });
    reply.hijack();
    for (const [name, value] of Object.entries(headers)) {
      if (value !== undefined && (name === 'content-length' || !HOP_BY_HOP.has(name))) reply.raw.setHeader(name, value);
    }
    for (const [name, value] of Object.entries(reply.getHeaders())) {
      if (value !== undefined && !reply.raw.hasHeader(name)) reply.raw.setHeader(name, value);
    }
    reply.raw.writeHead(statusCode);
    // Either side may end early: a player that leaves, a service that dies. The other side's connection ends with it.
    await pipeline(body, reply.raw).catch(() => reply.raw.destroy());
    return reply;
  } catch (error) {
    if (gone.signal.aborted) return reply.hijack();
    if (!(error instanceof Refusal)) throw error;
    const status = STATUS[error.kind];
    if (status === 503) void reply.header('retry-after', '1');
    return reply
      .status(status)
      .type('application/problem+json')
      .send(JSON.stringify(problemOf(error)));
  }
}

function headersOf(request: FastifyRequest): Record<string, string> {
  const headers: Record<string, string> = { ...traceHeaders() };
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined && !HOP_BY_HOP.has(name)) headers[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') headers['idempotency-key'] ??= `gateway-${randomUUID()}`;
  return headers;
}
