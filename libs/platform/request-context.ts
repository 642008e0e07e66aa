import { createHmac, hkdfSync } from 'node:crypto';
import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { canonicalJson, idFromDigest, newId, type RequestContext } from '#libs/kernel';
import { activeTraceId, parseTraceparent } from '#libs/tracing';
import type { AuthenticatedRequest } from './access-guard.js';
import { platformRefusals } from './platform.refusals.js';

/**
 * Key for digests of idempotency keys and payloads. Payloads hold personal data that could be guessed from a plain
 * hash, so the digests are keyed; set once at start from the hub's key ring.
 */
let digestKey: Uint8Array | undefined;

/** @param secret at least 32 bytes from the key ring */
export function setCommandDigestKey(secret: Uint8Array): void {
  digestKey = new Uint8Array(hkdfSync('sha256', secret, new Uint8Array(0), 'mingjing command digest v1', 32));
}

function digest(...parts: string[]): Buffer {
  if (digestKey === undefined) throw new Error('setCommandDigestKey has not been called');
  return createHmac('sha256', digestKey).update(canonicalJson(parts)).digest();
}

/** The context of the command that this request gives (parameter decorator). */
export const Context = createParamDecorator((_: unknown, execution: ExecutionContext): RequestContext => {
  return contextOf(execution.switchToHttp().getRequest<AuthenticatedRequest>());
});

/** @throws Refusal `platform.invalid-input` on a malformed Idempotency-Key or If-Match header */
export function contextOf(request: AuthenticatedRequest): RequestContext {
  const { principal, admittedAt: now } = request;
  if (principal === undefined || now === undefined) throw new Error('the access guard has not run');
  const key = header(request, 'idempotency-key');
  if (key !== undefined && (key.length < 8 || key.length > 255)) {
    throw platformRefusals['platform.invalid-input']('Idempotency-Key has 8 to 255 characters');
  }
  const route = `${request.method} ${request.url}`;
  const command = key === undefined ? undefined : digest('id', principal.id, key, route);
  let made = 0;
  const trace = activeTraceId() ?? parseTraceparent(header(request, 'traceparent'))?.traceId;
  const role = request.admittedAs;
  const ifMatch = revisionOf(header(request, 'if-match'));
  return {
    principal,
    actor: {
      kind: principal.kind,
      id: principal.id,
      organisationId: principal.organisation.id,
      ...(role === undefined ? {} : { role }),
    },
    at: new Date(now).toISOString(),
    correlationId: trace ?? newId(now).replaceAll('-', ''),
    ...(command === undefined
      ? {}
      : {
          commandId: command.toString('base64url'),
          fingerprint: digest('payload', canonicalJson(request.body ?? null)).toString('base64url'),
        }),
    ...(ifMatch === undefined ? {} : { ifMatch }),
    newId: () => {
      made += 1;
      // A fixed time part: the id must come out the same when the key is repeated later.
      return command === undefined ? newId() : idFromDigest(digest('entity', command.toString('hex'), `${made}`), 0);
    },
  };
}

function header(request: AuthenticatedRequest, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === 'string' ? value : undefined;
}

function revisionOf(ifMatch: string | undefined): bigint | undefined {
  if (ifMatch === undefined || ifMatch === '*') return undefined;
  const match = /^"(\d{1,19})"$/.exec(ifMatch);
  if (match === null) throw platformRefusals['platform.invalid-input']('If-Match is the ETag of an earlier answer');
  return BigInt(match[1]!);
}
