import { Inject, Injectable, Logger, ServiceUnavailableException } from '@nestjs/common';
import { HealthCheckService, HealthIndicatorService } from '@nestjs/terminus';
import { NoAnswerError, Source } from '../telemetry/source.js';
import { Stages } from '../telemetry/stages.js';
import { Drain } from './drain.js';

/** What a check has found: one sentence that an operator understands, without addresses and secrets. */
export interface Finding {
  readonly up: boolean;
  readonly says: string;
}

/** A finding as it is told. */
export interface Indication {
  readonly status: 'up' | 'down';
  readonly says: string;
}

export interface HealthReport {
  readonly ready: boolean;
  readonly checks: Readonly<Record<string, Indication>>;
}

/** Everything that must be well before this process is sent requests; modules add what they cannot do without. */
@Injectable()
export class HealthChecks {
  readonly #checks = new Map<string, Source<Finding>>();
  readonly #log = new Logger(HealthChecks.name);
  readonly #down = new Set<string>();

  constructor(
    @Inject(HealthCheckService) private readonly terminus: HealthCheckService,
    @Inject(HealthIndicatorService) private readonly indicators: HealthIndicatorService,
    @Inject(Drain) drain: Drain,
    @Inject(Stages) stages: Stages,
  ) {
    this.add('process', () => ({
      up: !drain.draining,
      says: drain.draining ? 'this process is about to end' : 'this process takes requests',
    }));
    this.add('event store', async () => ({
      up: true,
      says: `the event store answers, position ${await stages.head()}`,
    }));
  }

  /**
   * Adds a check. It has a second; to be late or to throw is to be down, and what it threw is logged, not shown.
   * @param name in the words of an operator: `event store`, `relay`
   */
  add(name: string, check: () => Finding | Promise<Finding>): void {
    if (this.#checks.has(name)) throw new Error(`there is a check ${name} already`);
    this.#checks.set(name, new Source(check));
  }

  /** Makes all checks at once; takes a second at most and never throws. */
  async read(): Promise<HealthReport> {
    const told = new Map<string, Indication>();
    const asked = [...this.#checks].map(([name, source]) => async () => {
      const { up, says } = await this.#look(name, source);
      told.set(name, { status: up ? 'up' : 'down', says });
      this.#tell(name, { up, says });
      const indicator = this.indicators.check(name);
      return up ? indicator.up(says) : indicator.down(says);
    });
    const ready = await this.#allUp(asked);
    // In the order in which they were added, not in that of their answers.
    const checks = Object.fromEntries([...this.#checks.keys()].map((name) => [name, told.get(name)!]));
    return { ready, checks };
  }

  async #allUp(asked: Parameters<HealthCheckService['check']>[0]): Promise<boolean> {
    try {
      await this.terminus.check(asked);
      return true;
    } catch (error) {
      if (error instanceof ServiceUnavailableException) return false;
      throw error;
    }
  }

  async #look(name: string, source: Source<Finding>): Promise<Finding> {
    try {
      return await source.look();
    } catch (error) {
      if (error instanceof NoAnswerError) return { up: false, says: `${name}: ${error.message}` };
      this.#log.debug(`check ${name}: ${String(error)}`);
      return { up: false, says: `${name}: does not answer` };
    }
  }

  /** Once when it goes down and once when it is back, however often somebody asks. */
  #tell(name: string, { up, says }: Finding): void {
    if (up && this.#down.delete(name)) this.#log.log(`up again: ${says}`);
    if (up || this.#down.has(name)) return;
    this.#down.add(name);
    this.#log.warn(`not ready: ${says}`);
  }
}
