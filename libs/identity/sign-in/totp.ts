import { createHmac, timingSafeEqual } from 'node:crypto';

const STEP_MS = 30_000;
const DIGITS = 6;
/** Steps before and after the present whose codes are taken: clocks of telephones differ (RFC 6238 §5.2). */
const WINDOW_STEPS = 1;
const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** Time step of a moment (RFC 6238 §4.2). @param now ms since the epoch */
export function totpStep(now: number): number {
  return Math.floor(now / STEP_MS);
}

/** HOTP value of a step, six digits, HMAC-SHA-1 as every authenticator application has it (RFC 4226 §5.3). */
export function totpAt(secret: Uint8Array, step: number): string {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const mac = createHmac('sha1', secret).update(counter).digest();
  const number = mac.readUInt32BE(mac[mac.length - 1]! & 0x0f) & 0x7fff_ffff;
  return String(number % 10 ** DIGITS).padStart(DIGITS, '0');
}

/** The step around `now` that a code belongs to; undefined when it belongs to none. */
export function matchingStep(secret: Uint8Array, code: string, now: number): number | undefined {
  const given = Buffer.from(
    code
      .replaceAll(' ', '')
      .padEnd(DIGITS)
      .slice(0, DIGITS + 1),
    'utf8',
  );
  const present = totpStep(now);
  let found: number | undefined;
  for (let step = present - WINDOW_STEPS; step <= present + WINDOW_STEPS; step += 1) {
    const wanted = Buffer.from(totpAt(secret, step), 'utf8');
    if (given.length === wanted.length && timingSafeEqual(given, wanted)) found = step;
  }
  return found;
}

/** Base32 without padding (RFC 4648 §6). */
export function base32(bytes: Uint8Array): string {
  let bits = '';
  for (const byte of bytes) bits += byte.toString(2).padStart(8, '0');
  return (bits.match(/.{1,5}/g) ?? []).map((five) => BASE32[Number.parseInt(five.padEnd(5, '0'), 2)]).join('');
}

/** What an authenticator application reads from a QR code (Key Uri Format). */
export function totpUri(account: string, secret: Uint8Array): string {
  const parameters = new URLSearchParams({
    secret: base32(secret),
    issuer: 'Mingjing',
    algorithm: 'SHA1',
    digits: String(DIGITS),
    period: String(STEP_MS / 1_000),
  });
  return `otpauth://totp/Mingjing:${encodeURIComponent(account)}?${parameters}`;
}
