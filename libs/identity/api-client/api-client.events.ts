import { z } from 'zod';
import { defineEvents, type EventOf } from '#libs/kernel';
import { id, publicName, text } from '../schemas.js';

const KEYS_MAX = 5;
const base64url = z.string().regex(/^[A-Za-z0-9_-]{1,1400}$/);
const kid = z.string().min(1).max(100);
const use = z.literal('sig').optional();

/** A public key (RFC 7517) that private_key_jwt assertions are checked with. A private member is refused. */
const publicJwk = z.discriminatedUnion('kty', [
  z.strictObject({
    kty: z.literal('OKP'),
    crv: z.literal('Ed25519'),
    x: base64url,
    kid,
    use,
    alg: z.enum(['EdDSA', 'Ed25519']).optional(),
  }),
  z.strictObject({
    kty: z.literal('EC'),
    crv: z.literal('P-256'),
    x: base64url,
    y: base64url,
    kid,
    use,
    alg: z.literal('ES256').optional(),
  }),
  z.strictObject({
    kty: z.literal('RSA'),
    // 2,048 bits are 342 characters in base64url; weaker keys are not taken (RFC 7518 §3.5).
    n: base64url.min(342),
    e: base64url,
    kid,
    use,
    alg: z.literal('PS256').optional(),
  }),
]);

/** Public keys of a client, each with its own `kid`. */
export const publicJwks = z.strictObject({
  keys: z
    .array(publicJwk)
    .min(1)
    .max(KEYS_MAX)
    .refine((keys) => new Set(keys.map((key) => key.kid)).size === keys.length, 'every key has a kid of its own'),
});

export const apiClientEvents = defineEvents('identity', 'apiClient', {
  ApiClientRegistered: {
    data: z.strictObject({ organisationId: id, name: publicName, jwks: publicJwks, contactPersonId: id }),
    version: 1,
    meaning: ['A program of an organisation may ask for tokens', '单位接口客户端已登记'],
    since: '0.1',
    rules: [],
  },
  ApiClientKeysReplaced: {
    data: z.strictObject({ jwks: publicJwks }),
    version: 1,
    meaning: ['Only the new keys of an API client count', '接口客户端密钥已更换'],
    since: '0.1',
    rules: [],
  },
  ApiClientDeactivated: {
    data: z.strictObject({ reason: text }),
    version: 1,
    meaning: ['An API client may do nothing any longer', '接口客户端已停用'],
    since: '0.1',
    rules: [],
  },
});

export type ApiClientEvent = EventOf<typeof apiClientEvents>;
export type PublicJwks = z.output<typeof publicJwks>;
