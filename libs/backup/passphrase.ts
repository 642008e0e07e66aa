import { createHmac, randomBytes, scryptSync, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { canonicalJson } from '#libs/kernel';
import { decrypt, encrypt } from '#libs/vault';
import { DamagedBackupError } from './archive.js';

const LENGTH_MIN = 16;
/** About 128 MiB and half a second a guess (RFC 7914). */
const SCRYPT = { N: 131_072, r: 8, p: 1, maxmem: 256 * 1024 * 1024 } as const;

/** The two keys that a passphrase gives: one seals the hub's keys, one vouches for the manifest. */
export class BackupSecret {
  readonly #sealing: Uint8Array;
  readonly #vouching: Uint8Array;

  /** @param salt base64, of the manifest; default a new one */
  constructor(
    passphrase: string,
    readonly salt: string = randomBytes(16).toString('base64'),
  ) {
    const keys = scryptSync(passphrase.normalize('NFC'), Buffer.from(salt, 'base64'), 64, SCRYPT);
    this.#sealing = keys.subarray(0, 32);
    this.#vouching = keys.subarray(32);
  }

  seal(clear: Buffer): Buffer {
    return encrypt(this.#sealing, clear, 'mingjing backup keys v1');
  }

  /** @throws DamagedBackupError */
  open(sealed: Buffer): Buffer {
    try {
      return decrypt(this.#sealing, sealed, 'mingjing backup keys v1');
    } catch {
      throw new DamagedBackupError('The backup is damaged: its keys do not open although the passphrase is right.');
    }
  }

  /** What only somebody who has the passphrase can say of a manifest. */
  vouch(manifest: unknown): string {
    return createHmac('sha256', this.#vouching).update(canonicalJson(manifest)).digest('hex');
  }

  vouchedFor(manifest: unknown, said: string): boolean {
    const expected = Buffer.from(this.vouch(manifest), 'hex');
    const given = Buffer.from(said, 'hex');
    return given.length === expected.length && timingSafeEqual(given, expected);
  }
}

/** The passphrase in a file, without the line feed at its end. @throws Error in one sentence */
export function readPassphrase(path: string | undefined): string {
  if (path === undefined) {
    throw new Error('Keys never lie in clear beside the data: give --passphrase-file, a file that holds a passphrase.');
  }
  let text: string;
  try {
    text = readFileSync(path, 'utf8').replace(/\r?\n$/, '');
  } catch {
    throw new Error(`The passphrase file ${path} cannot be read.`);
  }
  if (text.length < LENGTH_MIN) throw new Error(`The passphrase in ${path} is shorter than ${LENGTH_MIN} characters.`);
  return text;
}
