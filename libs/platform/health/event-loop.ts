import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Finding } from './health-checks.js';

/** When half of all turns come so late, the process only pretends to live. */
const LATE_MS_MAX = 2_000;
const NS_PER_MS = 1e6;

type Delay = Pick<ReturnType<typeof monitorEventLoopDelay>, 'percentile' | 'reset'>;

/** Watches whether the event loop turns. */
export class EventLoop {
  constructor(private readonly delay: Delay = started()) {}

  /** How it has turned since the last look. */
  look(): Finding {
    const late = Math.round(this.delay.percentile(50) / NS_PER_MS);
    this.delay.reset();
    const up = late <= LATE_MS_MAX;
    return {
      up,
      says: up ? 'the event loop turns' : `the event loop is stuck: half of its turns come ${late} ms late`,
    };
  }
}

function started(): Delay {
  const delay = monitorEventLoopDelay();
  delay.enable();
  return delay;
}
