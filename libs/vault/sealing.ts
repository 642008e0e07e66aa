import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * AES-256-GCM with a fresh nonce: nonce ‖ ciphertext ‖ tag.
 * @param binding what the ciphertext belongs to; it opens only with the same words (additional data)
 */
export function encrypt(key: Uint8Array, clear: Uint8Array, ...binding: string[]): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(additional(binding));
  return Buffer.concat([nonce, cipher.update(clear), cipher.final(), cipher.getAuthTag()]);
}

/** @throws Error when key, words or bytes do not belong together */
export function decrypt(key: Uint8Array, sealed: Uint8Array, ...binding: string[]): Buffer {
  const nonce = sealed.subarray(0, NONCE_BYTES);
  const tag = sealed.subarray(sealed.length - TAG_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', key, nonce).setAAD(additional(binding)).setAuthTag(tag);
  return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, sealed.length - TAG_BYTES)), decipher.final()]);
}

/**
 * Commitment to a value under a person's key: without the key not even a short number can be guessed from it, and once
 * the key is destroyed nobody can.
 */
export function commitment(personKey: Uint8Array, field: string, value: string): string {
  const key = new Uint8Array(hkdfSync('sha256', personKey, new Uint8Array(0), 'mingjing commitment v1', 32));
  const mac = createHmac('sha256', key)
    .update(additional([field]))
    .update(value.normalize('NFC'), 'utf8');
  return `hmac-sha256:${mac.digest('base64url')}`;
}

/** Words joined so that no two lists look alike. */
function additional(words: readonly string[]): Buffer {
  return Buffer.from(JSON.stringify(words), 'utf8');
}
