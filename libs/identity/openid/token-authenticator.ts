import { readFileSync } from 'node:fs';
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  errors,
  type JSONWebKeySet,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
} from 'jose';
import { isId, type Principal, type Refusal } from '#libs/kernel';
import { Authenticator, platformRefusals } from '#libs/platform';
import type { SigningKey } from '#libs/vault';
import type { IdentityPort, Subject } from '../identity.port.js';
import { AUDIENCE } from './provider.js';

const CLOCK_TOLERANCE_S = 5;

/** Verifies access tokens (RFC 9068) and asks the identity service who their holder is at this moment. */
export class TokenAuthenticator extends Authenticator {
  constructor(
    private readonly issuer: string,
    private readonly keys: JWTVerifyGetKey,
    private readonly identity: IdentityPort,
  ) {
    super();
  }

  override async authenticate(authorization: string | undefined): Promise<Principal> {
    const token = /^Bearer ([\w-]+\.[\w-]+\.[\w-]+)$/i.exec(authorization ?? '')?.[1];
    if (token === undefined) throw unauthenticated('there is no bearer token in the Authorization header');
    const subject = subjectOf(await this.#verify(token));
    const principal = subject && (await this.identity.principal(subject));
    if (principal === undefined) throw unauthenticated('the holder of the token is unknown or deactivated');
    return principal;
  }

  async #verify(token: string): Promise<JWTPayload> {
    try {
      const { payload } = await jwtVerify(token, this.keys, {
        issuer: this.issuer,
        audience: AUDIENCE,
        algorithms: ['EdDSA'],
        typ: 'at+jwt',
        clockTolerance: CLOCK_TOLERANCE_S,
        requiredClaims: ['sub', 'exp', 'iat', 'client_id'],
      });
      // A token bound to a key (RFC 9449, RFC 8705) is no bearer token, and nothing here checks the binding.
      if (payload.cnf !== undefined) throw unauthenticated('the access token is bound to a key');
      return payload;
    } catch (error) {
      if (error instanceof errors.JOSEError) throw unauthenticated('the access token is not valid');
      throw error;
    }
  }
}

/** The issuer's own public key, as its JWKS says it too. */
export function publicJwks({ publicKey, kid }: SigningKey): JSONWebKeySet {
  return { keys: [{ ...publicKey.export({ format: 'jwk' }), kty: 'OKP', alg: 'EdDSA', kid }] };
}

/**
 * Public keys of the issuer for a service that is not it.
 * @param where a JWKS file (RFC 7517 §5), or its https address, which is asked again when a token names an unknown key
 * @throws Refusal `platform.bad-configuration` when the file is no JWKS
 */
export function issuerKeys(where: string): JWTVerifyGetKey {
  if (where.startsWith('https://')) return createRemoteJWKSet(new URL(where));
  try {
    return createLocalJWKSet(JSON.parse(readFileSync(where, 'utf8')));
  } catch {
    throw platformRefusals['platform.bad-configuration'](`MINGJING_TOKEN_KEYS: ${where} is no readable JWKS file`);
  }
}

/** A client's own token names the client twice (RFC 9068 §2.2); a person's says when the person authenticated. */
function subjectOf({ sub, client_id: clientId, auth_time: authTime, iat }: JWTPayload): Subject | undefined {
  if (sub === undefined || !isId(sub)) return undefined;
  if (sub === clientId) return { kind: 'client', id: sub, authenticatedAt: iat! * 1_000 };
  if (typeof authTime !== 'number') return undefined;
  return { kind: 'person', id: sub, authenticatedAt: authTime * 1_000 };
}

function unauthenticated(detail: string): Refusal {
  return platformRefusals['platform.unauthenticated'](detail);
}
