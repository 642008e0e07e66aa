const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

let lastMs = 0;
let counter = 0;

/**
 * A UUIDv7 (RFC 9562 §5.7): 48 bits of milliseconds, a 12-bit counter that keeps ids of one process in order within
 * a millisecond (method 1 of §6.2), and 62 random bits.
 */
export function newId(now: number = Date.now()): string {
  const bytes = globalThis.crypto.getRandomValues(new Uint8Array(16));
  if (now > lastMs) {
    lastMs = now;
    counter = ((bytes[6]! << 8) | bytes[7]!) & 0x7ff;
  } else {
    counter += 1;
    if (counter > 0xfff) {
      lastMs += 1;
      counter = 0;
    }
  }
  return layout(bytes, lastMs, counter);
}

/**
 * The UUIDv7-shaped id that belongs to a digest: the same command always gets the same id, so that repeating it
 * finds what it did before.
 * @param digest at least 16 bytes, keyed by a secret of the hub
 * @param now milliseconds for the time part; pass the same to get the same id
 */
export function idFromDigest(digest: Uint8Array, now: number): string {
  const bytes = Uint8Array.from(digest.subarray(0, 16));
  return layout(bytes, now, ((bytes[6]! << 8) | bytes[7]!) & 0xfff);
}

function layout(bytes: Uint8Array, ms: number, twelveBits: number): string {
  bytes[0] = ms / 2 ** 40;
  bytes[1] = ms / 2 ** 32;
  bytes[2] = ms / 2 ** 24;
  bytes[3] = ms / 2 ** 16;
  bytes[4] = ms / 2 ** 8;
  bytes[5] = ms;
  bytes[6] = 0x70 | (twelveBits >> 8);
  bytes[7] = twelveBits;
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  const h = (i: number) => HEX[bytes[i]!]!;
  return (
    `${h(0)}${h(1)}${h(2)}${h(3)}-${h(4)}${h(5)}-${h(6)}${h(7)}-${h(8)}${h(9)}-` +
    `${h(10)}${h(11)}${h(12)}${h(13)}${h(14)}${h(15)}`
  );
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Whether a text is a UUID in canonical lower-case form. */
export function isId(text: string): boolean {
  return UUID.test(text);
}
