import fc from 'fast-check';
import { ORGANISATION_KINDS, type OrganisationKind, type Principal, Refusal, ROLES, type Role } from '#libs/kernel';
import { spec } from '../../../test/given-when-then.js';
import { type PersonCommand, personDecider, ROLE_FITS } from './person.decider.js';
import type { EnforcementCredential, PersonEvent } from './person.events.js';

const uuid = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
const ID = uuid(1);
const NAME = `hmac-sha256:${'a'.repeat(43)}`;
const organisation = (kind: OrganisationKind, division = '5201') =>
  ({ id: uuid(2), kind, level: 'prefecture', division, powers: [] }) as const;
const principal = (id: string, role: Role, division = '52'): Principal => ({
  kind: 'person',
  id,
  organisation: organisation(ROLE_FITS[role][0]!, division),
  roles: [role],
  authenticatedAt: 0,
});
const operator = principal(uuid(9), 'hub-operator');
const registered: PersonEvent = { type: 'PersonRegistered', data: { organisationId: uuid(2), name: NAME } };
const holds = (role: Role): PersonEvent => ({ type: 'RoleGranted', data: { role } });
const grant = (role: Role, kind: OrganisationKind, by = operator) =>
  ({ type: 'GrantRole', by, role, personId: ID, organisation: organisation(kind) }) as const;
const reason = '调离岗位';
const credential: EnforcementCredential = {
  credentialId: uuid(5),
  issuer: 'provincial-government',
  issuerName: '贵州省人民政府',
  numberCommitment: NAME,
  validFrom: '2025-01-01T00:00:00.000Z',
  validTo: '2028-01-01T00:00:00.000Z',
};
const filed: PersonEvent = { type: 'EnforcementCredentialFiled', data: credential };

describe('roles', () => {
  test.each(ROLES.flatMap((role) => ORGANISATION_KINDS.map((kind) => [role, kind] as const)))(
    '%s in a %s only where it fits',
    (role, kind) => {
      const when = spec(personDecider).given(registered).when(grant(role, kind));
      if (ROLE_FITS[role].includes(kind)) when.then(holds(role));
      else when.refuses('identity.role-not-fitting', 'gz117:4.2');
    },
  );

  test.each(ROLES.filter((role) => role !== 'hub-operator'))('the hub operator is never %s too', (role) => {
    const kind = ROLE_FITS[role][0]!;
    spec(personDecider)
      .given(registered, holds('hub-operator'))
      .when(grant(role, kind))
      .refuses('identity.operator-holds-no-other-role');
    spec(personDecider)
      .given(registered, holds(role))
      .when(grant('hub-operator', 'government'))
      .refuses('identity.operator-holds-no-other-role');
  });

  test('nobody grants, revokes or ends their own', () => {
    const by = { ...operator, id: ID };
    const given = () => spec(personDecider).given(registered, holds('hub-operator'));
    given()
      .when(grant('auditor', 'audit-office', by))
      .refuses('identity.not-oneself');
    given()
      .when({ type: 'RevokeRole', by, role: 'hub-operator', personId: ID, reason })
      .refuses('identity.not-oneself');
    given().when({ type: 'DeactivatePerson', by, personId: ID, reason }).refuses('identity.not-oneself');
  });

  test('a role held is not granted twice, a role not held is not revoked', () => {
    spec(personDecider).given(registered, holds('auditor')).when(grant('auditor', 'audit-office')).then();
    spec(personDecider)
      .given(registered)
      .when({ type: 'RevokeRole', by: operator, role: 'auditor', personId: ID, reason })
      .refuses('identity.role-not-held');
  });

  test('whatever is asked in whatever order, nobody is operator and approver, and the operator is nothing else', () => {
    expect(everBoth(personDecider.decide)).toBe(false);
  });

  test('control: a decider that forgets the rule is caught', () => {
    const forgetful = (command: PersonCommand): readonly PersonEvent[] =>
      command.type === 'GrantRole' ? [holds(command.role)] : [];
    expect(everBoth(forgetful)).toBe(true);
  });
});

/** Whether some sequence of grants and revocations makes an operator hold another role. */
function everBoth(decide: typeof personDecider.decide): boolean {
  const act = fc.record({
    grants: fc.boolean(),
    role: fc.constantFrom(...ROLES),
    kind: fc.constantFrom(...ORGANISATION_KINDS),
  });
  const outcome = fc.check(
    fc.property(fc.array(act, { maxLength: 30 }), (acts) => {
      let state = personDecider.evolve(personDecider.initialState(), registered);
      for (const { grants, role, kind } of acts) {
        const revoke = { type: 'RevokeRole', by: operator, role, personId: ID, reason } as const;
        try {
          state = decide(grants ? grant(role, kind) : revoke, state).reduce(personDecider.evolve, state);
        } catch (error) {
          if (!(error instanceof Refusal)) throw error;
        }
        if (state.status === 'absent') throw new Error('the person is gone');
        if (state.roles.includes('hub-operator') && new Set(state.roles).size > 1) return false;
      }
      return true;
    }),
    { numRuns: 2_000 },
  );
  if (outcome.errorInstance !== null && outcome.errorInstance !== undefined && !outcome.counterexample) {
    throw outcome.errorInstance;
  }
  return outcome.failed;
}

describe('an enforcement credential', () => {
  const file = (by: Principal, change: Partial<EnforcementCredential> = {}) =>
    ({
      type: 'FileCredential',
      by,
      credential: { ...credential, ...change },
      organisation: organisation('administrative-department'),
    }) as const;

  test.each(['52', '5201'])('gz117:16(2): is filed by the bureau of %s, which covers the department', (division) => {
    const by = principal(uuid(8), 'psb-filing-officer', division);
    spec(personDecider).given(registered).when(file(by)).then(filed);
  });

  test.each(['5203', '520102'])('gz117:4.2: is refused to the bureau of %s', (division) => {
    const by = principal(uuid(8), 'psb-filing-officer', division);
    spec(personDecider).given(registered).when(file(by)).refuses('identity.outside-jurisdiction', 'gz117:4.2');
  });

  test('is filed once, ends after it begins, and can be withdrawn', () => {
    spec(personDecider)
      .given(registered, filed)
      .when(file(operator, { credentialId: uuid(6) }))
      .refuses('identity.credential-known');
    spec(personDecider)
      .given(registered)
      .when(file(operator, { validTo: credential.validFrom }))
      .refuses('identity.credential-validity', 'gz117:16(2)');
    const withdraw = {
      type: 'WithdrawCredential',
      by: operator,
      credentialId: credential.credentialId,
      reason,
      organisation: organisation('administrative-department'),
    } as const;
    const withdrawn: PersonEvent = {
      type: 'EnforcementCredentialWithdrawn',
      data: { credentialId: credential.credentialId, reason },
    };
    spec(personDecider).given(registered, filed).when(withdraw).then(withdrawn);
    spec(personDecider).given(registered, filed, withdrawn).when(withdraw).refuses('identity.no-such-credential');
  });
});

test('a deactivated person gets nothing any more', () => {
  const given = () => spec(personDecider).given(registered, { type: 'PersonDeactivated', data: { reason } });
  given().when(grant('auditor', 'audit-office')).refuses('identity.deactivated');
  given().when({ type: 'Enrol' }).refuses('identity.deactivated');
  given().when({ type: 'IssueEnrolmentCode', expiresAt: credential.validTo }).refuses('identity.deactivated');
});
