export interface Measured {
  /** Completed calls a second. */
  readonly per_s: number;
  readonly p50_ms: number;
  readonly p99_ms: number;
}

/** So many callers, each calling again as soon as it is answered; what happens in the warm-up is not counted. */
export async function closedLoop(
  callers: number,
  seconds: number,
  call: (caller: number) => Promise<unknown>,
): Promise<Measured> {
  const warmUp = Math.min(1, seconds / 3) * 1000;
  const began = performance.now();
  const from = began + warmUp;
  const until = from + seconds * 1000;
  const latencies: number[] = [];
  await Promise.all(
    Array.from({ length: callers }, async (_, caller) => {
      for (let asked = began; asked < until; ) {
        await call(caller);
        const answered = performance.now();
        if (asked >= from && answered <= until) latencies.push(answered - asked);
        asked = answered;
      }
    }),
  );
  latencies.sort((a, b) => a - b);
  const quantile = (q: number) => round(latencies[Math.floor(q * (latencies.length - 1))] ?? Number.NaN);
  return { per_s: Math.round(latencies.length / seconds), p50_ms: quantile(0.5), p99_ms: quantile(0.99) };
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}
