import fc from 'fast-check';
import { activeTraceId, continueTrace, inSpan, parseTraceparent, traceHeaders } from '#libs/tracing';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';

describe('traceparent (W3C Trace Context §3.2)', () => {
  test('names the trace and the calling span', () => {
    expect(parseTraceparent(`00-${TRACE}-${SPAN}-01`)).toEqual({
      traceId: TRACE,
      spanId: SPAN,
      traceFlags: 1,
      isRemote: true,
    });
  });

  test('of a later version is read as far as it is known, of the flags only `sampled`', () => {
    expect(parseTraceparent(`cc-${TRACE}-${SPAN}-ff-what-the-future-brings`)).toMatchObject({
      traceId: TRACE,
      traceFlags: 1,
    });
    expect(parseTraceparent(`00-${TRACE}-${SPAN}-02`)).toMatchObject({ traceFlags: 0 });
  });

  test.each([
    ['nothing', ''],
    ['an all-zero trace', `00-${'0'.repeat(32)}-${SPAN}-01`],
    ['an all-zero span', `00-${TRACE}-${'0'.repeat(16)}-01`],
    ['capitals', `00-${TRACE.toUpperCase()}-${SPAN}-01`],
    ['the forbidden version', `ff-${TRACE}-${SPAN}-01`],
    ['version 00 with a tail', `00-${TRACE}-${SPAN}-01-more`],
    ['white space around', ` 00-${TRACE}-${SPAN}-01 `],
    ['a line break', `00-${TRACE}-${SPAN}-01\n`],
    ['two headers in one', `00-${TRACE}-${SPAN}-01, 00-${TRACE}-${SPAN}-01`],
    ['too long a tail', `cc-${TRACE}-${SPAN}-01-${'x'.repeat(300)}`],
    ['control characters in the tail', `cc-${TRACE}-${SPAN}-01-\u0000`],
    ['a script', '<script>alert(1)</script>'],
  ])('%s is as good as absent', (_, text) => {
    expect(parseTraceparent(text)).toBeUndefined();
  });

  test('of any text at all is either absent or in order', () => {
    const hex = (length: number) =>
      fc.string({ unit: fc.constantFrom(...'0123456789abcdefF'), minLength: length, maxLength: length });
    const near = fc
      .tuple(hex(2), hex(32), hex(16), hex(2), fc.string({ maxLength: 4 }))
      .map((parts) => parts.join('-'));
    fc.assert(
      fc.property(fc.oneof(fc.string(), near), (text) => {
        const parsed = parseTraceparent(text);
        if (parsed === undefined) return;
        expect(parsed.traceId).toMatch(/^(?!0{32})[0-9a-f]{32}$/);
        expect(parsed.spanId).toMatch(/^(?!0{16})[0-9a-f]{16}$/);
        expect(parsed.traceFlags & ~1).toBe(0);
      }),
    );
  });
});

describe('without telemetry', () => {
  test('actions run as they are, and there is no trace to carry on', async () => {
    expect(await inSpan('work', {}, async () => traceHeaders())).toEqual({});
    expect(await continueTrace(`00-${TRACE}-${SPAN}-01`, 'work', async () => activeTraceId())).toBeUndefined();
    await expect(inSpan('work', {}, () => Promise.reject(new Error('as it is')))).rejects.toThrow('as it is');
  });
});
