import fc from 'fast-check';
import { ORGANISATION_KINDS, type OrganisationKind, type Principal, Refusal, ROLES, type Role } from '#libs/kernel';
import { spec } from '../../../test/given-when-then.js';
import { type PersonCommand, personDecider } from './person.decider.js';
import type { PersonEvent } from './person.events.js';

const uuid = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
const ID = uuid(1);
const NAME = `hmac-sha256:${'a'.repeat(43)}`;
const at = '2026-03-01T02:00:00.000Z';
const reason = '调离岗位';

/** Where each role exists, once more by hand: the decider is checked against it. */
const FITS: Readonly<Record<Role, readonly OrganisationKind[]>> = {
  'hub-operator': ['government'],
  'managing-unit-clerk': ['managing-unit'],
  'department-officer': ['administrative-department', 'public-security-organ'],
  'psb-filing-officer': ['public-security-organ'],
  'psb-responsible-person': ['public-security-organ'],
  auditor: ['audit-office', 'public-security-organ'],
};
const organisation = (kind: OrganisationKind, division = '5201') =>
  ({ id: uuid(2), kind, level: 'prefecture', division, powers: [] }) as const;
const department = organisation('administrative-department');
const principal = (id: string, role: Role, division = '52'): Principal => ({
  kind: 'person',
  id,
  organisation: organisation(FITS[role][0]!, division),
  roles: [role],
  authenticatedAt: 0,
});
const operator = principal(uuid(9), 'hub-operator');
const by = { by: operator, at, personId: ID };
const registered: PersonEvent = { type: 'PersonRegistered', data: { organisationId: uuid(2), name: NAME } };
const holds = (role: Role): PersonEvent => ({ type: 'RoleGranted', data: { role } });
const grant = (role: Role, kind: OrganisationKind) =>
  ({ ...by, type: 'GrantRole', role, organisation: organisation(kind) }) as const;
const revoke = (role: Role) => ({ ...by, type: 'RevokeRole', role }) as const;

describe('roles', () => {
  test.each(ROLES.flatMap((role) => ORGANISATION_KINDS.map((kind) => [role, kind] as const)))(
    '%s in a %s only where it fits',
    (role, kind) => {
      const when = spec(personDecider).given(registered).when(grant(role, kind));
      if (FITS[role].includes(kind)) when.then(holds(role));
      else when.refuses('identity.role-not-for-this-kind', 'gz117:4.2');
    },
  );

  test.each(ROLES.filter((role) => role !== 'hub-operator'))('the hub operator is never %s too', (role) => {
    spec(personDecider)
      .given(registered, holds('hub-operator'))
      .when(grant(role, FITS[role][0]!))
      .refuses('identity.role-excluded');
    spec(personDecider)
      .given(registered, holds(role))
      .when(grant('hub-operator', 'government'))
      .refuses('identity.role-excluded');
  });

  test('nobody grants, revokes or ends their own', () => {
    const own = { by: { ...operator, id: ID } };
    const given = () => spec(personDecider).given(registered, holds('hub-operator'));
    given()
      .when({ ...grant('auditor', 'audit-office'), ...own })
      .refuses('identity.own-account');
    given()
      .when({ ...revoke('hub-operator'), ...own })
      .refuses('identity.own-account');
    given()
      .when({ ...by, ...own, type: 'DeactivatePerson', reason })
      .refuses('identity.own-account');
  });

  test.each(ROLES.filter((role) => role !== 'hub-operator'))('%s grants none', (role) => {
    spec(personDecider)
      .given(registered)
      .when({ ...grant('auditor', 'audit-office'), by: principal(uuid(8), role) })
      .refuses('identity.not-the-registrar');
  });

  test('a role held is not granted twice, a role not held is not revoked', () => {
    spec(personDecider)
      .given(registered, holds('auditor'))
      .when(grant('auditor', 'audit-office'))
      .refuses('identity.role-held');
    spec(personDecider).given(registered).when(revoke('auditor')).refuses('identity.role-not-held');
  });

  test('whatever is asked in whatever order, an operator holds no other role', () => {
    expect(everBoth(personDecider.decide)).toBe(false);
  });

  test('control: a decider that forgets the rule is caught', () => {
    const forgetful: typeof personDecider.decide = (command, state) =>
      command.type === 'GrantRole' ? [holds(command.role)] : personDecider.decide(command, state);
    expect(everBoth(forgetful)).toBe(true);
  });
});

/** Whether some sequence of grants and revocations makes an operator hold another role. */
function everBoth(
  decide: (command: PersonCommand, state: ReturnType<typeof personDecider.initialState>) => readonly PersonEvent[],
): boolean {
  const act = fc.record({
    grants: fc.boolean(),
    role: fc.constantFrom(...ROLES),
    kind: fc.constantFrom(...ORGANISATION_KINDS),
  });
  const found = fc.check(
    fc.property(fc.array(act, { maxLength: 30 }), (acts) => {
      let state = personDecider.evolve(personDecider.initialState(), registered);
      return acts.every(({ grants, role, kind }) => {
        try {
          const events = decide(grants ? grant(role, kind) : revoke(role), state);
          state = events.reduce((s, event) => personDecider.evolve(s, event), state);
        } catch (error) {
          if (!(error instanceof Refusal)) throw error;
        }
        const roles = new Set(state.status === 'active' ? state.roles : []);
        return !(roles.has('hub-operator') && roles.size > 1);
      });
    }),
    { numRuns: 2_000 },
  );
  if (found.errorInstance instanceof Error && found.errorInstance.name === 'TypeError') throw found.errorInstance;
  return found.failed;
}

describe('an enforcement credential', () => {
  const data = {
    credentialId: uuid(5),
    issuer: 'provincial-government',
    issuerName: '贵州省人民政府',
    numberCommitment: NAME,
    validFrom: '2025-01-01T00:00:00.000Z',
    validTo: '2028-01-01T00:00:00.000Z',
  } as const;
  const filed: PersonEvent = { type: 'EnforcementCredentialFiled', data };
  const file = { ...by, type: 'FileCredential', ...data, organisation: department } as const;
  const bureau = (division: string) => principal(uuid(8), 'psb-filing-officer', division);

  test.each(['52', '5201'])('gz117:16(2): is filed by the bureau of %s, which covers the department', (division) => {
    spec(personDecider)
      .given(registered)
      .when({ ...file, by: bureau(division) })
      .then(filed);
  });

  test.each(['5203', '520102'])('gz117:4.2: is refused to the bureau of %s', (division) => {
    spec(personDecider)
      .given(registered)
      .when({ ...file, by: bureau(division) })
      .refuses('identity.outside-jurisdiction', 'gz117:4.2');
  });

  test('is never filed by its holder, and ends after it begins', () => {
    const holder = { ...bureau('52'), id: ID };
    spec(personDecider)
      .given(registered)
      .when({ ...file, by: holder })
      .refuses('identity.own-account');
    spec(personDecider)
      .given(registered)
      .when({ ...file, validTo: file.validFrom })
      .refuses('identity.credential-validity', 'gz117:16(2)');
  });

  test('is withdrawn once', () => {
    const withdraw = {
      ...by,
      type: 'WithdrawCredential',
      credentialId: data.credentialId,
      reason,
      organisation: department,
    } as const;
    const withdrawn: PersonEvent = {
      type: 'EnforcementCredentialWithdrawn',
      data: { credentialId: data.credentialId, reason },
    };
    spec(personDecider).given(registered, filed).when(withdraw).then(withdrawn);
    spec(personDecider).given(registered, filed, withdrawn).when(withdraw).refuses('identity.no-such-credential');
  });
});

test('a deactivated person gets nothing any more', () => {
  const given = () => spec(personDecider).given(registered, { type: 'PersonDeactivated', data: { reason } });
  given().when(grant('auditor', 'audit-office')).refuses('identity.deactivated');
  given()
    .when({ ...by, type: 'EnrolSignIn' })
    .refuses('identity.deactivated');
  given()
    .when({ ...by, type: 'IssueEnrolment' })
    .refuses('identity.deactivated');
});
