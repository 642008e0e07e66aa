import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { catalogue, refusals } from '#libs/catalogue';
import { EVENT_BYTES_MAX } from '#libs/event-store';
import { canonicalJson } from '#libs/kernel';
import { ruleText } from '#libs/regulation';

const folder = join(import.meta.dirname, 'samples');
const samples = readdirSync(folder).map((file) => {
  const [, type, version] = /^(\w+)\.v(\d+)\.json$/.exec(file) ?? [];
  return { file, type: type!, version: Number(version), data: JSON.parse(readFileSync(join(folder, file), 'utf8')) };
});
const declared = [...catalogue.entries()].map(([type, declaration]) => ({ type, ...declaration }));

describe('event catalogue', () => {
  test.each(declared)('$type has an approved sample of its current version', ({ type, version }) => {
    expect(samples.some((sample) => sample.type === type && sample.version === version)).toBe(true);
  });

  test.each(samples)('$file is read in the current shape', ({ type, version, data }) => {
    const current = catalogue.upcast(type, version, data);
    expect(catalogue.validate(type, current)).toEqual(current);
    expect(canonicalJson(current).length).toBeLessThan(EVENT_BYTES_MAX);
  });

  test.each(declared.filter(({ rules }) => rules.length > 0))('$type rests on rules that exist', ({ rules }) => {
    for (const rule of rules) expect(ruleText(rule)).toBeDefined();
  });

  test.each(declared)(
    '$type names personal fields that it has, and takes only commitments there',
    ({ type, personal }) => {
      const sample = samples.find((s) => s.type === type)!.data;
      for (const path of personal ?? []) {
        const value = path.split('.').reduce((at, name) => at?.[name], sample);
        expect(value).toMatch(/^hmac-sha256:/);
      }
    },
  );
});

describe('refusals', () => {
  test.each(Object.entries(refusals))(
    '%s rests on rules that exist and says why in both languages',
    (_, { rules, title }) => {
      for (const rule of rules) expect(ruleText(rule)).toBeDefined();
      expect(title[0].length).toBeGreaterThan(3);
      expect(title[1]).toMatch(/[\u4e00-\u9fff]/);
    },
  );
});
