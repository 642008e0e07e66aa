/**
 * One-dimensional arrays in PostgreSQL's binary format (`array_recv`), so that JSON texts need no escaping on the way in.
 * Layout: int32 dimensions, has-nulls flag, element type; per dimension length and lower bound; then each element as
 * int32 length and bytes.
 */
const HEADER_BYTES = 20;
const OID = { text: 25, int4: 23, int8: 20, uuid: 2950 } as const;

export function textArray(values: readonly string[]): Buffer {
  const lengths = values.map((value) => Buffer.byteLength(value));
  const buffer = header(OID.text, values.length, 4 * values.length + lengths.reduce((a, b) => a + b, 0));
  let at = HEADER_BYTES;
  values.forEach((value, index) => {
    at = buffer.writeInt32BE(lengths[index]!, at);
    at += buffer.write(value, at);
  });
  return buffer;
}

export function uuidArray(values: readonly string[]): Buffer {
  const buffer = header(OID.uuid, values.length, 20 * values.length);
  let at = HEADER_BYTES;
  for (const value of values) {
    at = buffer.writeInt32BE(16, at);
    at += buffer.write(value.replaceAll('-', ''), at, 'hex');
  }
  return buffer;
}

export function int4Array(values: readonly number[]): Buffer {
  const buffer = header(OID.int4, values.length, 8 * values.length);
  let at = HEADER_BYTES;
  for (const value of values) at = buffer.writeInt32BE(value, buffer.writeInt32BE(4, at));
  return buffer;
}

export function int8Array(values: readonly bigint[]): Buffer {
  const buffer = header(OID.int8, values.length, 12 * values.length);
  let at = HEADER_BYTES;
  for (const value of values) at = buffer.writeBigInt64BE(value, buffer.writeInt32BE(8, at));
  return buffer;
}

function header(oid: number, length: number, bytes: number): Buffer {
  const buffer = Buffer.allocUnsafe(HEADER_BYTES + bytes);
  let at = buffer.writeInt32BE(1, 0);
  at = buffer.writeInt32BE(0, at);
  at = buffer.writeInt32BE(oid, at);
  at = buffer.writeInt32BE(length, at);
  buffer.writeInt32BE(1, at);
  return buffer;
}
