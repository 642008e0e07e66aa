import { createHmac } from 'node:crypto';
import {
  type Adapter,
  type AdapterPayload,
  type Configuration,
  interactionPolicy,
  type JWK,
  type KoaContextWithOIDC,
  Provider,
} from 'oidc-provider';
import type pg from 'pg';
import type { SigningKey } from '#libs/vault';
import type { IdentityPort } from '../identity.port.js';
import { PostgresAdapter } from './postgres-adapter.js';

/** Resource that access tokens are for (RFC 8707). */
export const AUDIENCE = 'urn:mingjing:hub';
/** The one scope: what a token may do follows from the roles of its holder, not from the token. */
const SCOPE = 'hub';
/** Public client for people on their own machine: authorization code + PKCE, loopback redirect (RFC 8252 §7.3). */
const NATIVE_CLIENT = 'mingjing-cli';

const MINUTE_S = 60;
const TTL = {
  AccessToken: 10 * MINUTE_S,
  ClientCredentials: 10 * MINUTE_S,
  AuthorizationCode: MINUTE_S,
  IdToken: 10 * MINUTE_S,
  Interaction: 10 * MINUTE_S,
  RefreshToken: 8 * 60 * MINUTE_S,
  Session: 8 * 60 * MINUTE_S,
  Grant: 8 * 60 * MINUTE_S,
};

export interface OpenIdOptions {
  /** Public address of the provider, such as `http://127.0.0.1:8080/oidc`. */
  readonly issuer: string;
  readonly pool: pg.Pool;
  readonly identity: IdentityPort;
  readonly signingKey: SigningKey;
  /** 32 bytes; from it come the key that signs the provider's cookies and the one that encrypts what it stores. */
  readonly cookieSecret: Uint8Array;
}

/** The embedded OpenID provider: code + PKCE for people, private_key_jwt for API clients, nothing else. */
export function openIdProvider(options: OpenIdOptions): Provider {
  const { issuer, pool, identity } = options;
  const secure = issuer.startsWith('https:');
  const key = derive(options.cookieSecret, 'openid artifacts v1');
  const provider = new Provider(issuer, {
    adapter: (model: string) => (model === 'Client' ? clientAdapter(identity) : new PostgresAdapter(pool, model, key)),
    clients: [
      {
        client_id: NATIVE_CLIENT,
        application_type: 'native',
        token_endpoint_auth_method: 'none',
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        redirect_uris: ['http://127.0.0.1/callback'],
        id_token_signed_response_alg: 'EdDSA',
      },
    ],
    ...cryptography(options, secure),
    scopes: ['openid', 'offline_access', SCOPE],
    responseTypes: ['code'],
    clientAuthMethods: ['none', 'private_key_jwt'],
    pkce: { required: () => true },
    features: {
      devInteractions: { enabled: false },
      // A token bound to a key would be taken without that key: the hub does not look at bindings yet.
      dPoP: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      clientCredentials: { enabled: true },
      revocation: { enabled: true },
      rpInitiatedLogout: { enabled: false },
      userinfo: { enabled: false },
      resourceIndicators: hubAsResource(options.signingKey.kid),
    },
    findAccount: async (_ctx, id) => {
      const known = await identity.principal({ kind: 'person', id, authenticatedAt: Date.now() });
      return known && { accountId: id, claims: () => ({ sub: id }) };
    },
    loadExistingGrant,
    extraTokenClaims: (ctx, token) => {
      const { AuthorizationCode, RefreshToken } = ctx.oidc.entities as Record<
        string,
        { authTime?: number } | undefined
      >;
      const authTime = AuthorizationCode?.authTime ?? RefreshToken?.authTime;
      return token.kind === 'AccessToken' && authTime !== undefined ? { auth_time: authTime } : {};
    },
    interactions: { policy: signInOnly(), url: (_ctx, interaction) => `/oidc/interaction/${interaction.uid}` },
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: true,
    renderError: (ctx, { error, error_description: description }) => {
      ctx.type = 'text/plain; charset=utf-8';
      ctx.body = `${error}: ${description ?? ''}`;
    },
    ttl: TTL,
  });
  provider.proxy = secure;
  return provider;
}

/** A key of its own for each use. */
function derive(secret: Uint8Array, use: string): Buffer {
  return createHmac('sha256', secret).update(use).digest();
}

/** Keys and algorithms: EdDSA for what the hub signs; API clients bring Ed25519, P-256 or RSA-PSS keys. */
function cryptography({ signingKey, cookieSecret }: OpenIdOptions, secure: boolean): Configuration {
  const jwk = signingKey.privateKey.export({ format: 'jwk' }) as unknown as JWK;
  const cookie = { signed: true, httpOnly: true, sameSite: 'lax', secure, path: '/oidc' } as const;
  return {
    jwks: { keys: [{ ...jwk, alg: 'EdDSA', use: 'sig', kid: signingKey.kid }] },
    cookies: {
      keys: [derive(cookieSecret, 'openid cookies v1').toString('base64url')],
      long: cookie,
      short: cookie,
    },
    enabledJWA: {
      clientAuthSigningAlgValues: ['ES256', 'EdDSA', 'PS256'],
      idTokenSigningAlgValues: ['EdDSA'],
    },
    clientDefaults: { id_token_signed_response_alg: 'EdDSA' },
  };
}

/** Every access token is a JWT (RFC 9068) for the hub and nothing else. */
function hubAsResource(kid: string): NonNullable<Configuration['features']>['resourceIndicators'] {
  return {
    enabled: true,
    defaultResource: () => AUDIENCE,
    useGrantedResource: () => true,
    getResourceServerInfo: () => ({
      scope: SCOPE,
      audience: AUDIENCE,
      accessTokenTTL: TTL.AccessToken,
      accessTokenFormat: 'jwt',
      jwt: { sign: { alg: 'EdDSA', kid } },
    }),
  };
}

/** The provider would ask every native client's user for consent; there is no such page, and nothing to consent to. */
function signInOnly(): interactionPolicy.DefaultPolicy {
  const policy = interactionPolicy.base();
  policy.remove('consent');
  return policy;
}

/** The hub's own client asks for nothing that the person could refuse: no consent page, the grant is made here. */
async function loadExistingGrant({ oidc }: KoaContextWithOIDC) {
  const { session, client, provider } = oidc;
  if (session?.accountId === undefined || client === undefined) return undefined;
  const grant = new provider.Grant({ accountId: session.accountId, clientId: client.clientId });
  grant.addOIDCScope('openid offline_access');
  grant.addResourceScope(AUDIENCE, SCOPE);
  await grant.save();
  return grant;
}

/** API clients as the events know them at this moment: a deactivated one is gone at once. */
function clientAdapter(identity: IdentityPort): Adapter {
  const nothing = async () => undefined;
  return {
    find: async (id: string): Promise<AdapterPayload | undefined> => {
      const client = await identity.clientKeys(id);
      if (client === undefined) return undefined;
      return {
        client_id: id,
        token_endpoint_auth_method: 'private_key_jwt',
        grant_types: ['client_credentials'],
        response_types: [],
        redirect_uris: [],
        scope: SCOPE,
        jwks: client.jwks,
      } as AdapterPayload;
    },
    upsert: nothing,
    findByUid: nothing,
    findByUserCode: nothing,
    consume: nothing,
    destroy: nothing,
    revokeByGrantId: nothing,
  };
}
