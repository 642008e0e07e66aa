import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Logger } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { BusyError, isPassing, OutcomeUnknownError } from '#libs/event-store';
import { newId, Refusal, type RefusalKind } from '#libs/kernel';
import { platformRefusals } from './platform.refusals.js';

/** HTTP status of each kind of refusal (RFC 9110). */
export const STATUS: Readonly<Record<RefusalKind, number>> = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  'not-found': 404,
  conflict: 409,
  precondition: 412,
  'too-large': 413,
  rule: 422,
  'too-many': 429,
  unavailable: 503,
};

/** A refusal as a problem document (RFC 9457) with `code` and `rules`. */
export function problemOf(refusal: Refusal): Record<string, unknown> {
  return {
    type: `urn:mingjing:refusal:${refusal.code}`,
    title: refusal.declaration.title[0],
    titleZh: refusal.declaration.title[1],
    status: STATUS[refusal.kind],
    code: refusal.code,
    detail: refusal.detail,
    rules: refusal.rules,
    ...(Object.keys(refusal.facts).length > 0 ? { facts: refusal.facts } : {}),
  };
}

/** Answers every exception with a problem document; a bug gets a number to ask for, never a stack trace. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  readonly #log = new Logger(ProblemFilter.name);

  catch(exception: unknown, host: ArgumentsHost): void {
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    const request = host.switchToHttp().getRequest<FastifyRequest>();
    if (reply.sent || reply.raw.headersSent) {
      reply.raw.destroy();
      return;
    }
    const refusal = asRefusal(exception);
    if (refusal === undefined) {
      const instance = `urn:uuid:${newId()}`;
      const error = exception instanceof Error ? (exception.stack ?? exception.message) : String(exception);
      this.#log.error(`${instance} ${request.method} ${request.routeOptions?.url ?? ''} ${error}`);
      const body = { type: 'about:blank', title: 'Internal Server Error', status: 500, code: 'platform.bug', instance };
      void reply.status(500).type('application/problem+json').send(JSON.stringify(body));
      return;
    }
    if (refusal !== exception && refusal.kind === 'unavailable') {
      this.#log.warn(`${request.method} ${request.routeOptions?.url ?? ''} ${String(exception)}`);
    }
    const status = STATUS[refusal.kind];
    if (status === 401) void reply.header('WWW-Authenticate', 'Bearer realm="mingjing"');
    if (status === 503) void reply.header('Retry-After', '1');
    void reply
      .status(status)
      .type('application/problem+json')
      .send(JSON.stringify(problemOf(refusal)));
  }
}

function asRefusal(exception: unknown): Refusal | undefined {
  if (exception instanceof Refusal) return exception;
  // An outage is no bug: the caller repeats the request, a write under the same Idempotency-Key.
  const cause = exception instanceof OutcomeUnknownError ? exception.cause : exception;
  if (cause instanceof BusyError || isPassing(cause)) {
    return platformRefusals['platform.unavailable']('the event store or its database does not answer');
  }
  const status = statusOf(exception);
  const message = exception instanceof Error ? exception.message : 'bad request';
  switch (status) {
    case undefined:
      return undefined;
    case 404:
      return platformRefusals['platform.not-found'](message);
    case 413:
      return platformRefusals['platform.too-large'](message);
    default:
      return status >= 400 && status < 500 ? platformRefusals['platform.invalid-input'](message) : undefined;
  }
}

function statusOf(exception: unknown): number | undefined {
  if (exception instanceof HttpException) return exception.getStatus();
  const code = (exception as { statusCode?: unknown } | null)?.statusCode;
  return typeof code === 'number' ? code : undefined;
}
