import type { Principal } from '#libs/kernel';
import type { PublicJwks } from './api-client/api-client.events.js';

/** Who a verified token speaks of. */
export interface Subject {
  readonly kind: 'person' | 'client';
  readonly id: string;
  /** When the subject authenticated (clients: token issue), ms since the epoch. */
  readonly authenticatedAt: number;
}

/** Public keys of an API client, for `private_key_jwt` (RFC 7523 §3, OpenID Connect Core §9). */
export interface ClientKeys {
  readonly organisationId: string;
  /** JWK set (RFC 7517 §5) of public keys only. */
  readonly jwks: PublicJwks;
}

/**
 * What the hub knows of people and clients at this very moment.
 *
 * Implementers MUST answer from every event appended before the call: a role revoked is refused at the next request.
 */
export abstract class IdentityPort {
  /** @returns undefined when the subject is unknown or deactivated */
  abstract principal(subject: Subject): Promise<Principal | undefined>;

  /** @returns undefined when the client is unknown or deactivated */
  abstract clientKeys(clientId: string): Promise<ClientKeys | undefined>;
}
