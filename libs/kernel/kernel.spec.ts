import fc from 'fast-check';
import { z } from 'zod';
import {
  canonicalJson,
  categoryOf,
  defineEvents,
  defineRefusals,
  EventCatalogue,
  entityOf,
  idFromDigest,
  isId,
  ManualClock,
  newId,
  streamName,
} from '#libs/kernel';

describe('ids', () => {
  test('are UUIDv7 and grow in the order in which they were made', () => {
    const ids = Array.from({ length: 20_000 }, () => newId());
    expect(ids.every((id) => isId(id) && id[14] === '7' && '89ab'.includes(id[19]!))).toBe(true);
    expect([...ids].sort()).toEqual(ids);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('keep growing when the clock steps back', () => {
    const later = newId(Date.now() + 60_000);
    expect(newId() > later).toBe(true);
  });

  test('carry their millisecond', () => {
    const id = idFromDigest(new Uint8Array(32).fill(7), 1_700_000_000_123);
    expect(Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16)).toBe(1_700_000_000_123);
  });

  test('from the same digest are the same, from another digest others', () => {
    const a = new Uint8Array(32).fill(1);
    expect(idFromDigest(a, 0)).toBe(idFromDigest(a, 0));
    expect(idFromDigest(a, 0)).not.toBe(idFromDigest(new Uint8Array(32).fill(2), 0));
    expect(isId(idFromDigest(a, 0))).toBe(true);
  });
});

describe('canonical JSON (RFC 8785)', () => {
  test('sorts members by UTF-16 code units as the RFC’s own example does', () => {
    const example = {
      '€': 'Euro Sign',
      '\r': 'CR',
      '\ufb33': 'Hebrew',
      '1': 'One',
      '😀': 'Smiley',
      '\u0080': 'Ctl',
      ö: 'o',
    };
    expect(Object.keys(JSON.parse(canonicalJson(example)))).toHaveLength(7);
    expect(canonicalJson(example).indexOf('CR')).toBeLessThan(canonicalJson(example).indexOf('One'));
    expect(canonicalJson(example).indexOf('Smiley')).toBeLessThan(canonicalJson(example).indexOf('Hebrew'));
  });

  test('writes numbers as ECMAScript does', () => {
    expect(canonicalJson([1e30, 4.5, 2e-3, 0.000001, 1e-7, -0, 333333333.3333333])).toBe(
      '[1e+30,4.5,0.002,0.000001,1e-7,0,333333333.3333333]',
    );
  });

  test('says the same for the same value, whatever the order of its members', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue()), (value) => {
        const shuffled = Object.fromEntries(Object.entries(value).reverse());
        expect(canonicalJson(shuffled)).toBe(canonicalJson(value));
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  test('refuses what JSON cannot say', () => {
    const cycle: Record<string, unknown> = {};
    cycle.self = cycle;
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, 1n, () => 1, '\ud800', cycle]) {
      expect(() => canonicalJson(value)).toThrow(TypeError);
    }
  });
});

describe('event catalogue', () => {
  const lamp = defineEvents('test', 'lamp', {
    LampLit: {
      data: z.strictObject({ watts: z.number(), room: z.string() }),
      version: 3,
      meaning: ['A lamp was lit', '灯已点亮'],
      since: '0.1',
      rules: [],
      upcast: {
        1: (data: { power: number }) => ({ watts: data.power }),
        2: (data: { watts: number }) => ({ ...data, room: 'unknown' }),
      },
    },
  });

  test('reads events of every older version in their current shape', () => {
    const catalogue = new EventCatalogue([lamp]);
    expect(catalogue.upcast('LampLit', 1, { power: 40 })).toEqual({ watts: 40, room: 'unknown' });
    expect(catalogue.upcast('LampLit', 2, { watts: 40 })).toEqual({ watts: 40, room: 'unknown' });
    const current = { watts: 40, room: 'hall' };
    expect(catalogue.upcast('LampLit', 3, current)).toBe(current);
  });

  test('refuses data that does not fit, unknown types, and one type declared twice', () => {
    const catalogue = new EventCatalogue([lamp]);
    expect(() => catalogue.validate('LampLit', { watts: 'many', room: 'hall' })).toThrow(/watts/);
    expect(() => catalogue.validate('LampOut', {})).toThrow(/not in the catalogue/);
    expect(() => new EventCatalogue([lamp, lamp])).toThrow(/declared twice/);
  });

  test('a category is camelCase, because the first hyphen ends it', () => {
    expect(() => defineEvents('test', 'a-b', {})).toThrow(/camelCase/);
    expect(categoryOf(streamName('lamp', 'a-b'))).toBe('lamp');
    expect(entityOf(streamName('lamp', 'a-b'))).toBe('a-b');
  });
});

describe('refusals', () => {
  const refusals = defineRefusals({
    'test.no': { kind: 'rule', title: ['No', '否'], rules: ['gz117:4.2'] },
  });

  test('carry code, rule and facts, and the events that record the attempt', () => {
    const refusal = refusals['test.no']('because', { id: 1 }).recordedBy({ type: 'Tried', data: {} });
    expect(refusal).toMatchObject({ code: 'test.no', kind: 'rule', rules: ['gz117:4.2'], facts: { id: 1 } });
    expect(refusal.events).toHaveLength(1);
  });
});

describe('clock', () => {
  test('moves only when it is moved', () => {
    const clock = new ManualClock('2026-01-01T00:00:00.000Z');
    clock.advance(1_500);
    expect(clock.iso()).toBe('2026-01-01T00:00:01.500Z');
  });
});
