import type { PrincipalOrganisation } from '#libs/kernel';
import { spec } from '../../../test/given-when-then.js';
import { organisationDecider } from './organisation.decider.js';
import { type OrganisationEvent, organisationData } from './organisation.events.js';

const PROVINCE = '11111111-1111-4111-8111-111111111111';
const bureau = { kind: 'public-security-organ', level: 'prefecture', division: '5201', name: '贵阳市公安局' } as const;
const transport = { ...bureau, kind: 'administrative-department', name: '贵阳市交通委员会' } as const;
const parent = (division: string): PrincipalOrganisation => ({
  id: PROVINCE,
  kind: 'public-security-organ',
  level: 'province',
  division,
  powers: [],
});
const registered = (data: object) => ({ type: 'OrganisationRegistered', data }) as OrganisationEvent;
const register = (organisation: object, above?: PrincipalOrganisation) =>
  ({ type: 'RegisterOrganisation', organisation: organisationData.parse(organisation), parent: above }) as const;

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
  ])('gz117:4.2: of level %s is refused with the code %s', (level, division) => {
    spec(organisationDecider)
      .given()
      .when(register({ ...bureau, level, division }))
      .refuses('identity.level-mismatch', 'gz117:4.2');
  });

  test.each(['110101', '5299', '52010', ''])('has a division of Guizhou in force, not "%s"', (division) => {
    expect(organisationData.safeParse({ ...bureau, division }).success).toBe(false);
  });

  test('stands below a parent that covers it', () => {
    const data = { ...bureau, parentId: PROVINCE };
    spec(organisationDecider)
      .given()
      .when(register(data, parent('52')))
      .then(registered(data));
    spec(organisationDecider)
      .given()
      .when(register(data, parent('5203')))
      .refuses('identity.parent-mismatch');
    spec(organisationDecider).given().when(register(data)).refuses('identity.no-such-organisation');
  });

  test('is not registered twice', () => {
    spec(organisationDecider).given(registered(bureau)).when(register(bureau)).refuses('identity.already-registered');
  });

  test.each([
    ['emergency-handling', 'gz117:15.2'],
    ['law-enforcement', 'gz117:15.3'],
  ] as const)('holds the power of %s by an instrument, resting on %s', (power, rule) => {
    const confer = { type: 'ConferPower', power, instrument: '贵州省道路运输条例' } as const;
    const conferred = { type: 'PowerConferred', data: { power, instrument: confer.instrument } } as const;
    spec(organisationDecider).given(registered(transport)).when(confer).then(conferred);
    spec(organisationDecider).given(registered(transport), conferred).when(confer).then();
    const state = organisationDecider.evolve(organisationDecider.initialState(), registered(transport));
    expect(organisationDecider.decide(confer, state)[0]?.rules).toEqual([rule]);
    spec(organisationDecider)
      .given(registered(transport), conferred)
      .when({ type: 'WithdrawPower', power, reason: '职能划转' })
      .then({ type: 'PowerWithdrawn', data: { power, reason: '职能划转' } });
    spec(organisationDecider)
      .given(registered(transport))
      .when({ type: 'WithdrawPower', power, reason: '职能划转' })
      .refuses('identity.power-not-held');
  });

  test.each(['public-security-organ', 'managing-unit', 'cooperating-utility', 'audit-office'] as const)(
    'of kind %s is given no power of a department',
    (kind) => {
      spec(organisationDecider)
        .given(registered({ ...bureau, kind }))
        .when({ type: 'ConferPower', power: 'law-enforcement', instrument: 'x' })
        .refuses('identity.power-not-fitting', 'gz117:15.3');
    },
  );
});
