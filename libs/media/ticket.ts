import { createPublicKey, type JsonWebKey, type KeyObject, sign, verify } from 'node:crypto';
import { z } from 'zod';
import { mediaRefusals } from './media.refusals.js';

export const TICKET_ISSUER = 'mingjing-access';
export const TICKET_AUDIENCE = 'mingjing-media';
/** Longest life of a ticket, seconds. */
export const TICKET_SECONDS_MAX = 60;
/** How far the clocks of issuer and gateway may stand apart, seconds. */
const SKEW_SECONDS_MAX = 5;
const TOKEN_CHARACTERS_MAX = 2_048;
const CACHED_TICKETS_MAX = 10_000;

const seconds = z.int().nonnegative();
const milliseconds = z.int().nonnegative();
/** Shape of {@link TicketClaims}. */
export const ticketClaims = z.strictObject({
  iss: z.literal(TICKET_ISSUER),
  aud: z.literal(TICKET_AUDIENCE),
  jti: z.string().min(1).max(64),
  sub: z.string().min(1).max(64).describe('holder'),
  pid: z.guid().describe('playback'),
  gid: z.guid().describe('grant'),
  sid: z.guid().optional().describe('retrieval session'),
  cam: z.guid().describe('camera'),
  mode: z.enum(['live', 'recorded']),
  from: milliseconds.optional(),
  to: milliseconds.optional(),
  iat: seconds,
  exp: seconds,
});

/** Claims of a playback ticket (RFC 7519); `from` and `to` in ms since the epoch, `to` excluded. */
export type TicketClaims = z.output<typeof ticketClaims>;

/** Header of an EdDSA token (RFC 8037). */
const header = z.strictObject({ alg: z.literal('EdDSA'), typ: z.literal('JWT'), kid: z.string().min(1).max(100) });

/**
 * Signs a ticket as a JWT (RFC 7519, EdDSA of RFC 8037).
 * @param key Ed25519 private key and the id under which its public half is offered
 * @throws TypeError when the claims are no ticket's or live longer than 60 seconds: a bug of the issuer
 */
export function signTicket(
  ticket: TicketClaims,
  key: { readonly privateKey: KeyObject; readonly kid: string },
): string {
  const checked = ticketClaims.safeParse(ticket);
  if (!checked.success || !lifeFits(ticket) || !windowFits(ticket)) throw new TypeError('these are no ticket’s claims');
  const encode = (part: unknown) => Buffer.from(JSON.stringify(part)).toString('base64url');
  const signed = `${encode({ alg: 'EdDSA', typ: 'JWT', kid: key.kid })}.${encode(checked.data)}`;
  return `${signed}.${sign(null, Buffer.from(signed), key.privateKey).toString('base64url')}`;
}

function lifeFits({ iat, exp }: TicketClaims): boolean {
  return iat < exp && exp - iat <= TICKET_SECONDS_MAX;
}

function windowFits({ mode, from, to }: TicketClaims): boolean {
  return mode === 'live' ? from === undefined && to === undefined : from !== undefined && to !== undefined && from < to;
}

/**
 * Checks tickets locally. The signature of a token is checked once and its claims remembered while it lives; expiry is
 * checked every time. Revocation is not its affair: see `Playbacks`.
 */
export class TicketVerifier {
  readonly #keys = new Map<string, KeyObject>();
  readonly #known = new Map<string, TicketClaims>();

  constructor(keys: readonly JsonWebKey[]) {
    for (const jwk of keys) {
      const { kid } = jwk as { kid?: unknown };
      const key = createPublicKey({ key: jwk, format: 'jwk' });
      if (typeof kid !== 'string' || key.asymmetricKeyType !== 'ed25519') {
        throw new TypeError('a ticket key is an Ed25519 JWK with a kid');
      }
      this.#keys.set(kid, key);
    }
  }

  /**
   * @param now ms since the epoch
   * @throws Refusal `media.ticket-invalid`, `media.ticket-expired`
   */
  verify(token: string, now: number): TicketClaims {
    const known = this.#known.get(token);
    const ticket = known ?? this.#open(token);
    if (ticket.exp * 1_000 <= now) {
      this.#known.delete(token);
      throw mediaRefusals['media.ticket-expired']('ask for a new one');
    }
    if ((ticket.iat - SKEW_SECONDS_MAX) * 1_000 > now) throw invalid('not valid yet');
    if (known === undefined) this.#remember(token, ticket);
    return ticket;
  }

  #open(token: string): TicketClaims {
    if (token.length > TOKEN_CHARACTERS_MAX) throw invalid('too long');
    const parts = token.split('.');
    const [head, body, signature] = parts;
    if (parts.length !== 3 || head === undefined || body === undefined || signature === undefined) {
      throw invalid('not a signed token');
    }
    const key = this.#keys.get(header.safeParse(decode(head)).data?.kid ?? '');
    if (key === undefined) throw invalid('signed by an unknown key');
    const bytes = Buffer.from(signature, 'base64url');
    // A second spelling of the same signature would slip past what is remembered by token.
    if (bytes.length !== 64 || bytes.toString('base64url') !== signature) throw invalid('signature does not hold');
    if (!verify(null, Buffer.from(`${head}.${body}`), key, bytes)) throw invalid('signature does not hold');
    const ticket = ticketClaims.safeParse(decode(body)).data;
    if (ticket === undefined || !lifeFits(ticket) || !windowFits(ticket)) throw invalid('not a playback ticket');
    return ticket;
  }

  #remember(token: string, ticket: TicketClaims): void {
    if (this.#known.size >= CACHED_TICKETS_MAX) {
      const [oldest] = this.#known.keys();
      this.#known.delete(oldest!);
    }
    this.#known.set(token, ticket);
  }
}

function decode(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString());
  } catch {
    return undefined;
  }
}

const invalid = (detail: string) => mediaRefusals['media.ticket-invalid'](detail);
