import { createHmac, randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { identityRefusals } from '../identity.refusals.js';

const LENGTH_MIN = 12;
const LOG2_N = 15;
const BLOCK_SIZE = 8;
const PARALLEL = 3;
const KEY_BYTES = 32;
const SALT_BYTES = 16;
const MEMORY_BYTES_MAX = 64 * 1024 * 1024;
const AT_ONCE_MAX = 2;
const WAITING_MAX = 16;

/** User names are compared in one form: whoever types it in another finds the same account. */
export function normaliseUsername(username: string): string {
  return username.normalize('NFC').trim().toLowerCase();
}

/** @throws Refusal `identity.weak-password` */
export function requireStrongPassword(password: string, username: string): void {
  const weak = identityRefusals['identity.weak-password'];
  if ([...password.normalize('NFC')].length < LENGTH_MIN) throw weak(`${LENGTH_MIN} characters at least`);
  if (normaliseUsername(password).includes(normaliseUsername(username))) throw weak('it contains the user name');
}

/**
 * Hashes passwords with scrypt (RFC 7914; N = 2^15, r = 8, p = 3: 32 MiB each) over a keyed digest, so that a stolen
 * database alone does not even let one guess. Few at once, the others wait, too many are turned away.
 */
export class PasswordHasher {
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(private readonly pepper: Uint8Array) {}

  /** @returns `scrypt$<log2 N>$<r>$<p>$<salt>$<hash>`, base64url */
  async hash(password: string): Promise<string> {
    const salt = randomBytes(SALT_BYTES);
    const hash = await this.#derive(password, salt, LOG2_N, BLOCK_SIZE, PARALLEL);
    return ['scrypt', LOG2_N, BLOCK_SIZE, PARALLEL, salt.toString('base64url'), hash.toString('base64url')].join('$');
  }

  /** Takes the same time whether it fits or not. */
  async fits(password: string, stored: string): Promise<boolean> {
    const [, n, r, p, salt, hash] = stored.split('$');
    const wanted = Buffer.from(hash!, 'base64url');
    const given = await this.#derive(password, Buffer.from(salt!, 'base64url'), Number(n), Number(r), Number(p));
    return timingSafeEqual(given, wanted);
  }

  /** @throws Refusal `identity.too-many-sign-ins` */
  async #derive(password: string, salt: Uint8Array, log2N: number, r: number, p: number): Promise<Buffer> {
    await this.#enter();
    try {
      const digest = createHmac('sha256', this.pepper).update(password.normalize('NFC'), 'utf8').digest();
      const options = { N: 2 ** log2N, r, p, maxmem: MEMORY_BYTES_MAX };
      return await new Promise((resolve, reject) => {
        scrypt(digest, salt, KEY_BYTES, options, (error, key) => (error === null ? resolve(key) : reject(error)));
      });
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }

  async #enter(): Promise<void> {
    if (this.#running < AT_ONCE_MAX) {
      this.#running += 1;
      return;
    }
    if (this.#waiting.length >= WAITING_MAX) {
      throw identityRefusals['identity.too-many-sign-ins'](`${WAITING_MAX} are waiting already`);
    }
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}
