import { covers, findDivision, gz117, PROHIBITED_PLACES, ruleText, SITE_CATEGORIES } from '#libs/regulation';

describe('Order No. 117 as data', () => {
  test('has its 24 articles in order', () => {
    expect(gz117.map((a) => a.article)).toEqual(Array.from({ length: 24 }, (_, i) => i + 1));
  });

  test.each([
    ['gz117:16(1)', '调查取证人不少于2人；'],
    ['gz117:9.1(1)', '旅馆客房、娱乐场所包房；'],
    ['gz117:4.2', '县级以上人民政府公安机关负责对本行政区域内公共视频系统工作进行指导、管理和监督。'],
  ] as const)('%s is found by its id', (rule, text) => {
    expect(ruleText(rule)).toBe(text);
  });

  test.each(['gz117:25', 'gz117:16(6)', 'gz117:15.4', 'other:1'] as const)('%s does not exist', (rule) => {
    expect(ruleText(rule)).toBeUndefined();
  });

  test('every site category and prohibited place rests on an item of the law', () => {
    expect(SITE_CATEGORIES).toHaveLength(14);
    expect(PROHIBITED_PLACES).toHaveLength(6);
    for (const { id } of [...SITE_CATEGORIES, ...PROHIBITED_PLACES]) expect(ruleText(id)).toBeDefined();
  });
});

describe('jurisdiction', () => {
  test('a code covers what it is a prefix of, and nothing else', () => {
    expect(covers('52', '520102')).toBe(true);
    expect(covers('520102', '520102')).toBe(true);
    expect(covers('520102', '5201')).toBe(false);
    expect(covers('', '5201')).toBe(false);
  });

  test('knows Nanming district and not a code that was abolished', () => {
    expect(findDivision('520102')?.name).toBe('南明区');
    expect(findDivision('520221')).toBeUndefined();
  });
});
