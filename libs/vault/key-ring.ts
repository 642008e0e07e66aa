import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { chmodSync, closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { vaultRefusals } from './vault.refusals.js';

/** An Ed25519 key pair with its id: base64url SHA-256 of the public key's SPKI. */
export interface SigningKey {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly kid: string;
}

const NAME = /^[a-z][a-z-]{0,40}$/;

/**
 * The hub's own keys, one file each (mode 0600) in a folder of its own (mode 0700), made at first use.
 * Whoever backs up the database must back up this folder apart from it: neither is of use without the other.
 * A folder that cannot be written, as an orchestrator mounts secrets, must hold every key that is asked for.
 */
export class KeyRing {
  constructor(private readonly folder: string) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    try {
      chmodSync(folder, 0o700);
    } catch (error) {
      if (!isReadOnly(error)) throw error; // who may see it is settled by whoever has mounted it
    }
  }

  /** A secret of 32 bytes. @throws Refusal `vault.key-damaged` naming the file */
  secret(name: string): Uint8Array {
    const path = this.#path(`${name}.key`);
    const bytes = Buffer.from(
      this.#readOrMake(path, () => randomBytes(32).toString('base64')),
      'base64',
    );
    if (bytes.length !== 32) throw vaultRefusals['vault.key-damaged'](`${path} does not hold 32 bytes in base64`);
    return bytes;
  }

  /** An Ed25519 signing key. @throws Refusal `vault.key-damaged` naming the file */
  signingKey(name: string): SigningKey {
    const path = this.#path(`${name}.pem`);
    const pem = this.#readOrMake(path, () =>
      generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    );
    try {
      const privateKey = createPrivateKey(pem);
      if (privateKey.asymmetricKeyType !== 'ed25519') throw new TypeError('not Ed25519');
      const publicKey = createPublicKey(privateKey);
      const spki = publicKey.export({ type: 'spki', format: 'der' });
      return { privateKey, publicKey, kid: createHash('sha256').update(spki).digest('base64url') };
    } catch {
      throw vaultRefusals['vault.key-damaged'](`${path} does not hold an Ed25519 private key`);
    }
  }

  #path(file: string): string {
    if (!NAME.test(file.slice(0, file.indexOf('.')))) throw new Error(`key name ${file} is not allowed`);
    return join(this.folder, file);
  }

  #readOrMake(path: string, make: () => string): string {
    try {
      return readFileSync(path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    const content = make();
    const temporary = `${path}.new`;
    let file: number;
    try {
      file = openSync(temporary, 'w', 0o600);
    } catch (error) {
      if (!isReadOnly(error)) throw error;
      throw vaultRefusals['vault.key-damaged'](`${path} is not there, and its folder cannot be written`);
    }
    writeSync(file, content);
    fsyncSync(file);
    closeSync(file);
    renameSync(temporary, path);
    return content;
  }
}

function isReadOnly(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'EROFS';
}
