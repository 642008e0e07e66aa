import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { errors, type Provider } from 'oidc-provider';
import { Refusal } from '#libs/kernel';
import type { CredentialStore } from '../sign-in/credential-store.js';
import { signInPage } from './sign-in-page.js';

const PREFIX = '/oidc';
const FORM_BYTES_MAX = 4_096;

/**
 * Loopback clients get their answer by a redirect of the form's POST, which the form-action directive governs too.
 * No script, no picture, no frame.
 */
const PAGE_HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'content-security-policy':
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; " +
    "form-action 'self' http://127.0.0.1:*",
};

/** Mounts provider and sign-in page below `/oidc`. */
export function mountOpenId(fastify: FastifyInstance, provider: Provider, credentials: CredentialStore): void {
  const handle = provider.callback();

  // Not awaited: that would begin Fastify's start before Nest has set its error handler.
  // The provider reads bodies itself, so these routes live where no parser runs.
  void fastify.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null));
    scope.all(`${PREFIX}/*`, (request, reply) => {
      reply.hijack();
      const raw = request.raw as typeof request.raw & { originalUrl?: string };
      raw.originalUrl = raw.url ?? '';
      raw.url = raw.originalUrl.slice(PREFIX.length);
      void handle(raw, reply.raw);
    });
  });

  void fastify.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser(
      'application/x-www-form-urlencoded',
      { parseAs: 'string', bodyLimit: FORM_BYTES_MAX },
      (_request, body, done) => done(null, new URLSearchParams(body as string)),
    );
    scope.get(`${PREFIX}/interaction/:uid`, (request, reply) => showPage(provider, request, reply));
    scope.post(`${PREFIX}/interaction/:uid`, (request, reply) => signIn(provider, credentials, request, reply));
  });
}

async function showPage(provider: Provider, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  if (!(await interactionIsLive(provider, request, reply))) return gone(reply);
  return reply.headers(PAGE_HEADERS).send(signInPage(false));
}

async function signIn(
  provider: Provider,
  credentials: CredentialStore,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply | undefined> {
  if (!(await interactionIsLive(provider, request, reply))) return gone(reply);
  const form = request.body instanceof URLSearchParams ? request.body : new URLSearchParams();
  const field = (name: string) => (form.get(name) ?? '').slice(0, 200);
  try {
    const { personId } = await credentials.verify(field('username'), field('password'), field('totp'));
    reply.hijack();
    const login = { accountId: personId, amr: ['pwd', 'otp'], remember: false };
    await provider.interactionFinished(request.raw, reply.raw, { login }, { mergeWithLastSubmission: false });
    return undefined;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return reply.status(401).headers(PAGE_HEADERS).send(signInPage(true));
  }
}

/** An interaction belongs to the browser that began it (its cookie) and to one sign-in. */
async function interactionIsLive(provider: Provider, request: FastifyRequest, reply: FastifyReply): Promise<boolean> {
  try {
    const { uid } = await provider.interactionDetails(request.raw, reply.raw);
    return uid === (request.params as { uid: string }).uid;
  } catch (error) {
    if (error instanceof errors.SessionNotFound) return false;
    throw error;
  }
}

function gone(reply: FastifyReply): FastifyReply {
  const text = '登录已过期，请从应用重新开始。This sign-in has expired; begin again from your application.\n';
  return reply.status(410).type('text/plain; charset=utf-8').send(text);
}
