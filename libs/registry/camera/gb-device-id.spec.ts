import fc from 'fast-check';
import { findDivision } from '#libs/regulation';
import { fitsDivision, parseGbDeviceId } from './gb-device-id.js';

const divisions = fc
  .constantFrom('52', '5201', '520102', '520281', '5223', '522301', '522732')
  .map((code) => findDivision(code)!);
const digits = (n: number) => fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: n, maxLength: n });
const types = fc.constantFrom('131', '132');

describe('a GB/T 28181 id', () => {
  test('reads as its parts and back', () => {
    fc.assert(
      fc.property(divisions, digits(2), digits(2), types, digits(1), digits(6), (...parts) => {
        const [division, accessUnit, industry, type, network, serial] = parts;
        const text = `${division.code.padEnd(6, '0')}${accessUnit}${industry}${type}${network}${serial}`;
        expect(parseGbDeviceId(text)).toEqual({ division, accessUnit, industry, type, network, serial });
      }),
    );
  });

  test('of another length, another device type or no division of Guizhou is none', () => {
    fc.assert(
      fc.property(fc.oneof(digits(19), digits(21), digits(20)), (text) => {
        const parsed = parseGbDeviceId(text);
        const type = text.slice(10, 13);
        const plausible = text.length === 20 && text.startsWith('52') && (type === '131' || type === '132');
        return parsed === undefined || plausible;
      }),
    );
  });

  test.each([
    ['52010200001320000001', true],
    ['52010200001310000001', true],
    ['52010200001180000001', false],
    ['52010200002000000001', false],
    ['52240100001320000001', false],
    ['11010100001320000001', false],
    ['5201020000132000000', false],
    ['520102000013200000011', false],
    ['5201020000132000000x', false],
    ['５２０１０２００００１３２０００００１', false],
  ])('%s: %s', (text, valid) => {
    expect(parseGbDeviceId(text) !== undefined).toBe(valid);
  });

  test.each([
    ['52010200001320000001', '520102', true],
    ['52010200001320000001', '5201', true],
    ['52010000001320000001', '520102', true],
    ['52000000001320000001', '520102', true],
    ['52010300001320000001', '520102', false],
    ['52030000001320000001', '520102', false],
  ])('%s at a site in %s: %s', (text, division, fits) => {
    expect(fitsDivision(parseGbDeviceId(text)!, division)).toBe(fits);
  });
});
