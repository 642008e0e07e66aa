import { fold } from '#libs/kernel';
import { spec } from '../../../test/given-when-then.js';
import { AT, at, grant, issued, people } from '../access.fixture.js';
import { grantDecider, grantInForce, type RevokeGrant } from './grant.decider.js';
import type { GrantEvent } from './grant.events.js';

const given = spec(grantDecider).given;
const revocation = (by: RevokeGrant['by']): RevokeGrant => ({ type: 'RevokeGrant', by, at: AT, reason: 'case closed' });
const revoked: GrantEvent = { type: 'GrantRevoked', data: { reason: 'case closed', by: 'public-security-organ' } };

describe('revocation', () => {
  test('by a responsible person with jurisdiction ends the grant', () => {
    given(issued()).when(revocation(people.chief)).then(revoked);
  });

  test('by the holder gives it back', () => {
    given(issued())
      .when(revocation(people.li))
      .then({ type: 'GrantRevoked', data: { reason: 'case closed', by: 'holder' } });
  });

  test('by a bureau without jurisdiction over every camera, or by a stranger, is refused (gz117:4.2)', () => {
    const elsewhere = { ...people.chief, organisation: { ...people.chief.organisation, division: '520102' } };
    for (const by of [elsewhere, people.stranger]) {
      given(issued()).when(revocation(by)).refuses('access.may-not-revoke', 'gz117:4.2');
    }
  });

  test('happens once', () => {
    given(issued(), revoked).when(revocation(people.chief)).refuses('access.grant-revoked');
    given().when(revocation(people.chief)).refuses('access.no-such-grant');
  });
});

describe('a grant is in force (gz117:18(3))', () => {
  const inForce = (when: string, ...history: GrantEvent[]) => grantInForce(fold(grantDecider, history), when);

  test('from its first moment, before its last', () => {
    expect(inForce(AT, issued())).toEqual(grant);
    expect(inForce(new Date(Date.parse(grant.validTo) - 1).toISOString(), issued())).toEqual(grant);
    expect(() => inForce(at(-1), issued())).toThrow('access.grant-not-yet-valid');
    expect(() => inForce(grant.validTo, issued())).toThrow('access.grant-expired');
  });

  test('not after revocation, nor when nobody issued it', () => {
    expect(() => inForce(AT, issued(), revoked)).toThrow('access.grant-revoked');
    expect(() => inForce(AT)).toThrow('access.no-such-grant');
  });
});
