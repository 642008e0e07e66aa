/**
 * Canonical JSON (RFC 8785, JCS): members sorted by UTF-16 code units, ECMAScript numbers, no white space.
 * @throws TypeError on what JSON cannot say: NaN, infinities, functions, bigint, lone surrogates, cycles
 */
export function canonicalJson(value: unknown): string {
  return write(value, new Set());
}

function write(value: unknown, ancestors: Set<object>): string {
  if (value === null) return 'null';
  switch (typeof value) {
    case 'boolean':
      return value ? 'true' : 'false';
    case 'number':
      if (!Number.isFinite(value)) throw new TypeError(`${value} is not a JSON number`);
      return JSON.stringify(value);
    case 'string':
      if (!value.isWellFormed()) throw new TypeError('a lone surrogate is not Unicode text (RFC 8785 §3.2.2.2)');
      return JSON.stringify(value);
    case 'object':
      return writeObject(value, ancestors);
    default:
      throw new TypeError(`a ${typeof value} is not JSON`);
  }
}

function writeObject(value: object, ancestors: Set<object>): string {
  if (ancestors.has(value)) throw new TypeError('a cycle is not JSON');
  ancestors.add(value);
  const text = Array.isArray(value)
    ? `[${value.map((item) => write(item ?? null, ancestors)).join(',')}]`
    : `{${Object.entries(value)
        .filter(([, member]) => member !== undefined)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, member]) => `${write(name, ancestors)}:${write(member, ancestors)}`)
        .join(',')}}`;
  ancestors.delete(value);
  return text;
}
