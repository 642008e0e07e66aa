import { base32, matchingStep, totpAt, totpStep, totpUri } from './totp.js';

const secret = Buffer.from('12345678901234567890', 'ascii');

describe('time-based one-time passwords', () => {
  test.each([
    [59, '287082'],
    [1_111_111_109, '081804'],
    [1_111_111_111, '050471'],
    [1_234_567_890, '005924'],
    [2_000_000_000, '279037'],
    [20_000_000_000, '353130'],
  ])('RFC 6238 appendix B: at %d s the code is %s', (seconds, code) => {
    expect(totpAt(secret, totpStep(seconds * 1_000))).toBe(code);
  });

  test('a code is taken one step early or late, and no further', () => {
    const now = 1_234_567_890_000;
    const step = totpStep(now);
    for (const offset of [-1, 0, 1])
      expect(matchingStep(secret, totpAt(secret, step + offset), now)).toBe(step + offset);
    for (const offset of [-2, 2]) expect(matchingStep(secret, totpAt(secret, step + offset), now)).toBeUndefined();
  });

  test.each(['', '00592', '0059240', 'x', '００５９２４'])('"%s" is no code', (code) => {
    expect(matchingStep(secret, code, 1_234_567_890_000)).toBeUndefined();
  });

  test('RFC 4648 §10: Base32', () => {
    expect(base32(Buffer.from('foobar'))).toBe('MZXW6YTBOI');
    expect(base32(Buffer.from('foob'))).toBe('MZXW6YQ');
  });

  test('the URI names account and secret', () => {
    const uri = new URL(totpUri('王 wang', secret));
    expect(uri.searchParams.get('secret')).toBe('GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ');
    expect(decodeURIComponent(uri.pathname)).toBe('/Mingjing:王 wang');
  });
});
