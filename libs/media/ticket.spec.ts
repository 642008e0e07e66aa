import { generateKeyPairSync, sign } from 'node:crypto';
import { signTicket, type TicketClaims, TicketVerifier } from './ticket.js';

const now = new Date('2026-03-01T09:00:00.000Z').getTime();
const iat = now / 1_000;
const key = (kid: string) => ({ kid, ...generateKeyPairSync('ed25519') });
const own = key('own');
const verifier = () => new TicketVerifier([{ ...own.publicKey.export({ format: 'jwk' }), kid: own.kid }]);
const guid = (n: number) => `018f0000-0000-7000-8000-00000000000${n}`;

const ids = { jti: 't1', sub: guid(1), pid: guid(2), gid: guid(3), sid: guid(4), cam: guid(5) };
const fixed = { iss: 'mingjing-access', aud: 'mingjing-media' } as const;
const recorded: TicketClaims = { ...fixed, ...ids, mode: 'recorded', from: 1_000, to: 2_000, iat, exp: iat + 60 };

/** A token signed whatever it says. */
function forge(claims: object, header: object = { alg: 'EdDSA', typ: 'JWT', kid: 'own' }): string {
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
  const signed = `${encode(header)}.${encode(claims)}`;
  return `${signed}.${sign(null, Buffer.from(signed), own.privateKey).toString('base64url')}`;
}

const invalid = expect.objectContaining({ code: 'media.ticket-invalid', kind: 'unauthenticated' });
const expired = expect.objectContaining({ code: 'media.ticket-expired', kind: 'unauthenticated' });

describe('a ticket', () => {
  test('says what was signed', () => {
    expect(verifier().verify(signTicket(recorded, own), now)).toEqual(recorded);
  });

  test('is never made to live longer than a minute, nor without a window where recordings are played', () => {
    expect(() => signTicket({ ...recorded, exp: iat + 61 }, own)).toThrow(TypeError);
    expect(() => signTicket({ ...recorded, to: 1_000 }, own)).toThrow(TypeError);
    expect(() => signTicket({ ...recorded, mode: 'live' }, own)).toThrow(TypeError);
  });

  test('ends at its expiry, also when it was seen before', () => {
    const checked = verifier();
    const ticket = signTicket(recorded, own);
    expect(checked.verify(ticket, now + 59_999)).toEqual(recorded);
    for (let n = 0; n < 2; n += 1) expect(() => checked.verify(ticket, now + 60_000)).toThrow(expired);
  });

  test('of another key is refused, under its own key id and under a known one', () => {
    for (const forger of [key('other'), key('own')]) {
      expect(() => verifier().verify(signTicket(recorded, forger), now)).toThrow(invalid);
    }
  });

  test('with one character changed anywhere is refused; the control passes', () => {
    const ticket = signTicket(recorded, own);
    const checked = verifier();
    for (let at = 0; at < ticket.length; at += 1) {
      const changed = ticket.slice(0, at) + (ticket[at] === 'A' ? 'B' : 'A') + ticket.slice(at + 1);
      expect(() => checked.verify(changed, now)).toThrow(invalid);
    }
    expect(checked.verify(ticket, now)).toEqual(recorded);
  });

  test('without signature, for another audience, of a longer life or of the future is refused', () => {
    expect(verifier().verify(forge(recorded), now)).toEqual(recorded);
    for (const ticket of [
      '',
      'x'.repeat(3_000),
      forge(recorded).replace(/[^.]*$/, ''),
      forge(recorded).replace(/\.[^.]*$/, ''),
      forge(recorded, { alg: 'none', typ: 'JWT', kid: 'own' }),
      forge({ ...recorded, aud: 'others' }),
      forge({ ...recorded, exp: iat + 3_600 }),
      forge({ ...recorded, iat: iat + 600, exp: iat + 660 }),
      forge({ ...recorded, to: undefined }),
      forge({ ...recorded, more: 1 }),
    ]) {
      expect(() => verifier().verify(ticket, now)).toThrow(invalid);
    }
  });
});
