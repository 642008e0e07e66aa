/** A span of footage, ms since the epoch; `to` is excluded. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/** Segments begin where the one before ended, but both ends are rounded to a millisecond. */
const JOIN_MS = 20;
/** What `PlaybackStopped` takes. */
export const RANGES_MAX = 500;

/** Footage that was sent, merged and in order. Bounded: past the limit the two closest ranges become one. */
export class ServedRanges {
  readonly #ranges: Range[] = [];

  get ranges(): readonly Range[] {
    return this.#ranges;
  }

  add({ from, to }: Range): void {
    let first = this.#ranges.length;
    while (first > 0 && this.#ranges[first - 1]!.to + JOIN_MS >= from) first -= 1;
    let after = first;
    let joined = { from, to };
    while (after < this.#ranges.length && this.#ranges[after]!.from - JOIN_MS <= joined.to) {
      const range = this.#ranges[after]!;
      joined = { from: Math.min(joined.from, range.from), to: Math.max(joined.to, range.to) };
      after += 1;
    }
    this.#ranges.splice(first, after - first, joined);
    if (this.#ranges.length > RANGES_MAX) this.#joinClosest();
  }

  #joinClosest(): void {
    const gap = (n: number) => this.#ranges[n + 1]!.from - this.#ranges[n]!.to;
    let closest = 0;
    for (let n = 1; n < this.#ranges.length - 1; n += 1) if (gap(n) < gap(closest)) closest = n;
    const [left, right] = [this.#ranges[closest]!, this.#ranges[closest + 1]!];
    this.#ranges.splice(closest, 2, { from: left.from, to: right.to });
  }
}
