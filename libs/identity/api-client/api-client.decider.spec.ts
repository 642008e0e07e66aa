import { generateKeyPairSync } from 'node:crypto';
import { spec } from '../../../test/given-when-then.js';
import { apiClientDecider } from './api-client.decider.js';
import { type ApiClientEvent, publicJwks } from './api-client.events.js';

const uuid = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
const organisation = {
  id: uuid(1),
  kind: 'administrative-department',
  level: 'prefecture',
  division: '5201',
  powers: [],
} as const;
const contact = { id: uuid(2), organisationId: organisation.id, active: true };
const pair = generateKeyPairSync('ed25519');
const publicJwk = { ...pair.publicKey.export({ format: 'jwk' }), kid: 'a' };
const jwks = publicJwks.parse({ keys: [publicJwk] });
const by = { by: { kind: 'system', id: 'first-start' }, at: '2026-03-01T02:00:00.000Z' } as const;
const register = { ...by, type: 'RegisterApiClient', organisation, name: '治超系统', jwks, contact } as const;
const registered: ApiClientEvent = {
  type: 'ApiClientRegistered',
  data: { organisationId: organisation.id, name: '治超系统', jwks, contactPersonId: contact.id },
};

describe('an API client', () => {
  test('is registered with public keys and an active person of its organisation who answers for it', () => {
    spec(apiClientDecider).given().when(register).then(registered);
    spec(apiClientDecider)
      .given()
      .when({ ...register, contact: { ...contact, organisationId: uuid(3) } })
      .refuses('identity.contact-elsewhere');
    spec(apiClientDecider)
      .given()
      .when({ ...register, contact: { ...contact, active: false } })
      .refuses('identity.no-such-person');
  });

  test('replaces its keys until it is deactivated', () => {
    const replace = { ...by, type: 'ReplaceKeys', jwks } as const;
    spec(apiClientDecider).given(registered).when(replace).then({ type: 'ApiClientKeysReplaced', data: { jwks } });
    spec(apiClientDecider)
      .given(registered, { type: 'ApiClientDeactivated', data: { reason: '停用' } })
      .when(replace)
      .refuses('identity.deactivated');
  });

  test.each([
    ['a private key', { ...pair.privateKey.export({ format: 'jwk' }), kid: 'a' }],
    ['a symmetric key', { kty: 'oct', k: 'c2VjcmV0', kid: 'a' }],
    [
      'a weak RSA key',
      { ...generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' }), kid: 'a' },
    ],
    ['a key without a kid', { ...publicJwk, kid: undefined }],
  ])('does not take %s', (_, key) => {
    expect(publicJwks.safeParse({ keys: [key] }).success).toBe(false);
  });

  test('does not take two keys of one kid', () => {
    expect(publicJwks.safeParse({ keys: [publicJwk, publicJwk] }).success).toBe(false);
  });
});
