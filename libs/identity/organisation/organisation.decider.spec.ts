import type { Principal } from '#libs/kernel';
import { spec } from '../../../test/given-when-then.js';
import { organisationDecider } from './organisation.decider.js';
import { type OrganisationEvent, organisationData } from './organisation.events.js';

const PROVINCE = '11111111-1111-4111-8111-111111111111';
const bureau = { kind: 'public-security-organ', level: 'prefecture', division: '5201', name: '贵阳市公安局' } as const;
const transport = { ...bureau, kind: 'administrative-department', name: '贵阳市交通委员会' } as const;
const operator: Principal = {
  kind: 'person',
  id: '22222222-2222-4222-8222-222222222222',
  organisation: { id: PROVINCE, kind: 'government', level: 'province', division: '52', powers: [] },
  roles: ['hub-operator'],
  authenticatedAt: 0,
};
const by = { by: operator, at: '2026-03-01T02:00:00.000Z' };
const registered = (data: object) => ({ type: 'OrganisationRegistered', data }) as OrganisationEvent;
const register = (organisation: object, parentDivision?: string) => ({
  ...by,
  type: 'RegisterOrganisation' as const,
  organisation: organisationData.parse(organisation),
  ...(parentDivision === undefined ? {} : { parentDivision }),
});

describe('an organisation', () => {
  test.each([
    ['province', '52'],
    ['prefecture', '5201'],
    ['county', '520102'],
  ])('of level %s is registered with the code %s', (level, division) => {
    const data = { ...bureau, level, division };
    spec(organisationDecider).given().when(register(data)).then(registered(data));
  });

  test.each([
    ['province', '5201'],
    ['prefecture', '520102'],
    ['county', '52'],
  ])('gz117:4.1: of level %s is refused with the code %s', (level, division) => {
    spec(organisationDecider)
      .given()
      .when(register({ ...bureau, level, division }))
      .refuses('identity.level-does-not-fit-division', 'gz117:4.1');
  });

  test.each(['110101', '5299', '52010', ''])('has a division of Guizhou in force, not "%s"', (division) => {
    expect(organisationData.safeParse({ ...bureau, division }).success).toBe(false);
  });

  test('stands below a parent that covers it', () => {
    const data = { ...bureau, parentId: PROVINCE };
    spec(organisationDecider).given().when(register(data, '52')).then(registered(data));
    spec(organisationDecider).given().when(register(data, '5203')).refuses('identity.outside-parent');
  });

  test('is kept by the hub operator alone', () => {
    const auditor = { ...operator, roles: ['auditor' as const] };
    spec(organisationDecider)
      .given()
      .when({ ...register(bureau), by: auditor })
      .refuses('identity.not-the-registrar');
  });

  test('is not registered twice', () => {
    spec(organisationDecider).given(registered(bureau)).when(register(bureau)).refuses('identity.already-registered');
  });

  test.each([
    ['emergency-handling', 'gz117:15.2'],
    ['law-enforcement', 'gz117:15.3'],
  ] as const)('holds the power of %s by an instrument, resting on %s', (power, rule) => {
    const confer = { ...by, type: 'ConferPower', power, instrument: '贵州省道路运输条例' } as const;
    const withdraw = { ...by, type: 'WithdrawPower', power } as const;
    const conferred = { type: 'PowerConferred', data: { power, instrument: confer.instrument } } as const;
    spec(organisationDecider).given(registered(transport)).when(confer).then(conferred);
    spec(organisationDecider).given(registered(transport), conferred).when(confer).refuses('identity.power-held');
    const state = organisationDecider.evolve(organisationDecider.initialState(), registered(transport));
    expect(organisationDecider.decide(confer, state)[0]?.rules).toEqual([rule]);
    spec(organisationDecider)
      .given(registered(transport), conferred)
      .when(withdraw)
      .then({ type: 'PowerWithdrawn', data: { power } });
    spec(organisationDecider).given(registered(transport)).when(withdraw).refuses('identity.power-not-held');
  });

  test.each(['government', 'public-security-organ', 'managing-unit', 'cooperating-utility', 'audit-office'] as const)(
    'of kind %s is given no power of a department',
    (kind) => {
      spec(organisationDecider)
        .given(registered({ ...bureau, kind }))
        .when({ ...by, type: 'ConferPower', power: 'law-enforcement', instrument: '公路法' })
        .refuses('identity.power-not-for-this-kind', 'gz117:15.3');
    },
  );
});
