import { setTimeout as sleep } from 'node:timers/promises';
import { CircuitState, ConsecutiveBreaker, circuitBreaker, handleAll } from 'cockatiel';
import { type Dispatcher, Pool } from 'undici';
import { platformRefusals } from '#libs/platform';
import type { TlsIdentity } from './tls-identity.js';

/** One request to a service, whichever replica answers it. */
export interface UpstreamRequest {
  readonly method: string;
  /** Path with query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | string | undefined;
  /** Milliseconds until the head of the answer must be there. */
  readonly deadlineMs: number;
  /** Whether a second delivery of the same request does no harm; otherwise it is repeated only if it was never sent. */
  readonly repeatable: boolean;
  readonly signal?: AbortSignal;
}

/** So long a request waits for a replica that is starting anew before it is refused. */
const PATIENCE_MS = 8_000;
const BACK_OFF_MS = [20, 50, 100, 200] as const;
const CONNECT_MS_MAX = 2_000;
const CONNECTIONS_MAX = 64;
const BODY_SILENCE_MS_MAX = 60_000;
/** A replica that failed so often in a row is left alone for a while. */
const FAILURES_MAX = 5;
/** Header of a 503 by a replica that has not looked at the request: it stands by, another one works. */
export const ELSEWHERE_HEADER = 'mingjing-elsewhere';
const REST_MS = 1_000;

/** The replicas of one service, each behind a circuit breaker; a request goes to one that answers. */
export class Upstream {
  readonly #replicas: readonly Replica[];
  #turn = 0;

  /** @param urls addresses of the replicas, https only */
  constructor(
    readonly service: string,
    urls: readonly string[],
    identity: TlsIdentity,
  ) {
    this.#replicas = urls.map((url) => new Replica(url, service, identity));
  }

  /**
   * @returns the answer, whatever its status; its body is still to be read
   * @throws Refusal `platform.unavailable` when no replica answers in time
   */
  async request(request: UpstreamRequest): Promise<Dispatcher.ResponseData> {
    const start = performance.now();
    const deadline = start + request.deadlineMs;
    const patience = Math.min(deadline, start + PATIENCE_MS);
    let last: unknown = 'every replica rests after failures';
    for (let attempt = 0; ; attempt += 1) {
      const replica = this.#choose();
      if (replica !== undefined) {
        try {
          const answer = await replica.request(request, deadline);
          if (answer.headers[ELSEWHERE_HEADER] === undefined) return answer;
          await answer.body.dump();
          last = 'every replica stands by';
        } catch (error) {
          if (request.signal?.aborted) throw error;
          last = error;
          if (!request.repeatable && !neverSent(error)) break;
        }
      }
      const delay = BACK_OFF_MS[Math.min(attempt, BACK_OFF_MS.length - 1)]!;
      if (performance.now() + delay >= patience) break;
      // Another replica is asked at once; the same one gets a moment.
      if (attempt + 1 >= this.#replicas.length) await sleep(delay);
    }
    throw platformRefusals['platform.unavailable'](`the ${this.service} service does not answer (${reasonOf(last)})`);
  }

  /**
   * An answer that is small enough to be read whole.
   * @throws Refusal `platform.unavailable` when no replica answers in time, or with more than `bytesMax`
   */
  async text(request: UpstreamRequest, bytesMax: number): Promise<{ statusCode: number; text: string }> {
    const { statusCode, body } = await this.request(request);
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of body as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > bytesMax) {
        throw platformRefusals['platform.unavailable'](
          `the answer of ${this.service} is longer than ${bytesMax} bytes`,
        );
      }
      chunks.push(chunk);
    }
    return { statusCode, text: Buffer.concat(chunks).toString('utf8') };
  }

  async close(): Promise<void> {
    await Promise.all(this.#replicas.map((replica) => replica.close()));
  }

  #choose(): Replica | undefined {
    for (let i = 0; i < this.#replicas.length; i += 1) {
      this.#turn = (this.#turn + 1) % this.#replicas.length;
      const replica = this.#replicas[this.#turn]!;
      if (!replica.resting) return replica;
    }
    return undefined;
  }
}

class Replica {
  readonly #pool: Pool;
  readonly #breaker = circuitBreaker(handleAll, {
    halfOpenAfter: REST_MS,
    breaker: new ConsecutiveBreaker(FAILURES_MAX),
  });
  #restsUntil = 0;

  constructor(url: string, service: string, identity: TlsIdentity) {
    this.#pool = new Pool(url, {
      connections: CONNECTIONS_MAX,
      connect: { ...identity.clientOptions(service), timeout: CONNECT_MS_MAX },
      bodyTimeout: BODY_SILENCE_MS_MAX,
      headersTimeout: 0,
    });
    this.#breaker.onBreak(() => {
      this.#restsUntil = performance.now() + REST_MS;
    });
  }

  get resting(): boolean {
    return this.#breaker.state === CircuitState.Open && performance.now() < this.#restsUntil;
  }

  request(request: UpstreamRequest, deadline: number): Promise<Dispatcher.ResponseData> {
    const { method, path, headers = {}, body, signal } = request;
    // The deadline ends the waiting for the head only: the body of a recording takes as long as its player.
    const late = new AbortController();
    const timer = setTimeout(
      () => late.abort(new Error('no answer in time')),
      Math.max(0, deadline - performance.now()),
    );
    const either = signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]);
    return this.#breaker
      .execute(() =>
        this.#pool.request({
          method: method as Dispatcher.HttpMethod,
          path,
          headers: { ...headers },
          body: body ?? null,
          signal: either,
        }),
      )
      .finally(() => clearTimeout(timer));
  }

  async close(): Promise<void> {
    await this.#pool.close().catch(() => this.#pool.destroy());
  }
}

/** Failures of which it is certain that the service has not seen the request. */
const NEVER_SENT =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT|CERT_|ERR_TLS_|DEPTH_|SELF_|UNABLE_)/;

function neverSent(error: unknown): boolean {
  const { code, isBrokenCircuitError } = error as { code?: unknown; isBrokenCircuitError?: boolean };
  return isBrokenCircuitError === true || (typeof code === 'string' && NEVER_SENT.test(code));
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as { code?: unknown };
  return typeof code === 'string' && code !== error.message ? `${code}: ${error.message}` : error.message;
}
