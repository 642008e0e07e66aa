import { SITE_CATEGORIES } from '#libs/regulation';
import { spec } from '../../../test/given-when-then.js';
import { AT, bureau, clerk, department, falseOfficer, NANMING, otherClerk, UNIT } from '../registry.fixture.js';
import { siteDecider } from './site.decider.js';
import { siteData } from './site.events.js';

const site = siteData.parse({
  name: '南明大道路口',
  category: 'gz117:8.1(8)',
  division: NANMING,
  managingUnitId: UNIT,
});
const register = { type: 'RegisterSite', at: AT, site } as const;

describe('a site', () => {
  test('gz117:8.1(8): is registered by a clerk of its managing unit, with the item of the law that it falls under', () => {
    spec(siteDecider)
      .given()
      .when({ ...register, by: clerk })
      .then({ type: 'SiteRegistered', data: site });
    expect(siteDecider.decide({ ...register, by: clerk }, siteDecider.initialState())[0]?.rules).toEqual([
      'gz117:8.1(8)',
    ]);
  });

  test.each(['520102', '5201', '52'])('gz117:4.2: is registered by the filing officer of the bureau of %s', (code) => {
    spec(siteDecider)
      .given()
      .when({ ...register, by: bureau(code) })
      .then({ type: 'SiteRegistered', data: site });
  });

  test.each(['520103', '5203'])(
    'gz117:4.2: is refused to the bureau of %s, outside whose jurisdiction it lies',
    (code) => {
      spec(siteDecider)
        .given()
        .when({ ...register, by: bureau(code) })
        .refuses('registry.outside-jurisdiction', 'gz117:4.2');
    },
  );

  test('gz117:4.2: is refused to a filing officer whose organisation is no public security organ', () => {
    spec(siteDecider)
      .given()
      .when({ ...register, by: falseOfficer })
      .refuses('registry.outside-jurisdiction', 'gz117:4.2');
  });

  test.each([
    ['a clerk of another managing unit', otherClerk],
    ['an officer of a department', department],
  ])('is refused to %s', (_, by) => {
    spec(siteDecider)
      .given()
      .when({ ...register, by })
      .refuses('registry.not-your-unit');
  });

  test('is not registered twice', () => {
    spec(siteDecider)
      .given({ type: 'SiteRegistered', data: site })
      .when({ ...register, by: clerk })
      .refuses('registry.already-registered');
  });

  test.each(SITE_CATEGORIES.map(({ id }) => id))('takes category %s', (category) => {
    expect(siteData.safeParse({ ...site, category }).success).toBe(true);
  });

  test.each([
    ['category', 'gz117:8.1(15)'],
    ['division', '522401'],
    ['division', '110101'],
    ['name', ''],
    ['name', '长'.repeat(201)],
    ['managingUnitId', 'unit'],
  ])('does not take %s %s', (field, value) => {
    expect(siteData.safeParse({ ...site, [field]: value }).success).toBe(false);
  });
});
