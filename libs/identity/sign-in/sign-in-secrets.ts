import { createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { decrypt, encrypt } from '#libs/vault';
import { normaliseUsername } from './password.js';
import { base32 } from './totp.js';

const CODE_BYTES = 15;
const TOTP_SECRET_BYTES = 20;

/** The keyed functions of sign-in, each with a key of its own derived from one secret of the key ring. */
export class SignInSecrets {
  readonly pepper: Uint8Array;
  readonly #names: Uint8Array;
  readonly #codes: Uint8Array;
  readonly #totp: Uint8Array;

  /** @param secret 32 bytes */
  constructor(secret: Uint8Array) {
    const derive = (use: string) =>
      new Uint8Array(hkdfSync('sha256', secret, new Uint8Array(0), `mingjing sign-in ${use} v1`, 32));
    this.pepper = derive('password');
    this.#names = derive('user name');
    this.#codes = derive('enrolment code');
    this.#totp = derive('totp secret');
  }

  /** What stands for a user name in the database. */
  nameMac(username: string): Buffer {
    return createHmac('sha256', this.#names).update(normaliseUsername(username), 'utf8').digest();
  }

  /** A new enrolment code: 120 random bits in six groups of Base32. */
  newCode(): string {
    return base32(randomBytes(CODE_BYTES)).match(/.{4}/g)!.join('-');
  }

  /** What stands for an enrolment code in the database, however it was typed. */
  codeMac(code: string): Buffer {
    const typed = code.toUpperCase().replaceAll(/[^A-Z2-7]/g, '');
    return createHmac('sha256', this.#codes).update(typed, 'utf8').digest();
  }

  newTotpSecret(): Uint8Array {
    return randomBytes(TOTP_SECRET_BYTES);
  }

  seal(personId: string, totpSecret: Uint8Array): Buffer {
    return encrypt(this.#totp, totpSecret, 'totp', personId);
  }

  /** @throws Error when the bytes belong to another person or another key */
  open(personId: string, sealed: Uint8Array): Uint8Array {
    return decrypt(this.#totp, sealed, 'totp', personId);
  }
}
