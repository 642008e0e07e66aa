import { BlockList, isIP, isIPv6 } from 'node:net';
import { SpanKind } from '@opentelemetry/api';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import {
  BusyError,
  ConflictError,
  DuplicateIdError,
  isPassing,
  LimitError,
  OutcomeUnknownError,
} from '#libs/event-store';
import { Refusal } from '#libs/kernel';
import { inSpan } from '#libs/tracing';
import { platformRefusals } from '../platform.refusals.js';
import type { StagesNow } from './stages.js';

const LOOPBACK = ['127.0.0.0/8', '::1/128'];
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Event loop, memory, garbage collection: of the process, however many applications run in it. */
const ofProcess = new Registry();

/**
 * What Prometheus reads of one application. Labels come from code and route templates, never from a request.
 */
export class Metrics {
  readonly #registry = new Registry();
  readonly #readers: BlockList;
  readonly #http = this.#histogram('mingjing_http_request_duration_seconds', 'Requests by route template', [
    'route',
    'method',
    'status',
  ]);
  readonly #inFlight = this.#gauge('mingjing_http_requests_in_flight', 'Requests under way', []);
  readonly #append = this.#histogram('mingjing_append_duration_seconds', 'Appends to the event store', ['outcome']);
  readonly #port = this.#histogram('mingjing_port_call_duration_seconds', 'Calls of ports of other services', [
    'port',
    'method',
    'outcome',
  ]);
  readonly #appended = this.#gauge('mingjing_appended_position', 'Position of the newest event', []);
  readonly #delivered = this.#gauge('mingjing_delivered_position', 'Position up to which Kafka has the events', []);
  readonly #position = this.#gauge('mingjing_projection_position', 'Position a read model has reached', ['model']);
  readonly #lag = this.#gauge('mingjing_projection_lag_events', 'Positions a read model is behind the newest event', [
    'model',
  ]);
  readonly #parked = this.#gauge('mingjing_parked_events', 'Events that were put aside', ['subscription']);
  readonly #errors = new Counter({
    name: 'mingjing_scrape_errors_total',
    help: 'Times that a stage of truth did not answer the scrape',
    labelNames: ['source'],
    registers: [this.#registry],
  });

  /**
   * @param networks CIDRs that may read the metrics besides loopback
   * @throws Refusal `platform.bad-configuration` naming what is no CIDR
   */
  constructor(networks: readonly string[] = []) {
    this.#readers = networksOf([...LOOPBACK, ...networks]);
    if (ofProcess.getMetricsAsArray().length === 0) collectDefaultMetrics({ register: ofProcess });
  }

  /** Whether an address may read the metrics. */
  readableFrom(address: string | undefined): boolean {
    return address !== undefined && this.#readers.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
  }

  /** Content type of {@link Metrics.scrape}. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Everything in Prometheus' text format (version 0.0.4). What is not known now does not stand there as if it were. */
  async scrape({ appended, delivered, models, parked, silent }: StagesNow): Promise<string> {
    for (const gauge of [this.#position, this.#lag, this.#parked]) gauge.reset();
    setOrRemove(this.#appended, appended);
    setOrRemove(this.#delivered, delivered);
    for (const { model, position, lag } of models) {
      this.#position.set({ model }, Number(position));
      if (lag !== undefined) this.#lag.set({ model }, Number(lag));
    }
    for (const { subscription, events } of parked) this.#parked.set({ subscription }, events);
    for (const source of silent) this.#errors.inc({ source });
    return `${await this.#registry.metrics()}\n${await ofProcess.metrics()}`;
  }

  requestBegan(): void {
    this.#inFlight.inc();
  }

  /** @param labels `status` is a class such as `2xx` */
  requestEnded(labels: { route: string; method: string; status: string }, seconds: number): void {
    this.#inFlight.dec();
    this.#http.observe(labels, seconds);
  }

  /** Times an append. */
  timeAppend<T>(append: () => Promise<T>): Promise<T> {
    return timed(append, (outcome, seconds) => this.#append.observe({ outcome }, seconds));
  }

  /** Times a call of another service's port, as a span of the trace under way. */
  timePortCall<T>(port: string, method: string, call: () => Promise<T>): Promise<T> {
    return inSpan(
      'call port',
      { 'mingjing.port': port, 'mingjing.method': method },
      () => timed(call, (outcome, seconds) => this.#port.observe({ port, method, outcome }, seconds)),
      SpanKind.CLIENT,
    );
  }

  #histogram<L extends string>(name: string, help: string, labelNames: L[]): Histogram<L> {
    return new Histogram({ name, help, labelNames, buckets: SECONDS, registers: [this.#registry] });
  }

  #gauge<L extends string>(name: string, help: string, labelNames: L[]): Gauge<L> {
    return new Gauge({ name, help, labelNames, registers: [this.#registry] });
  }
}

function setOrRemove(gauge: Gauge, value: bigint | undefined): void {
  if (value === undefined) gauge.remove();
  else gauge.set(Number(value));
}

async function timed<T>(action: () => Promise<T>, observe: (outcome: string, seconds: number) => void): Promise<T> {
  const from = performance.now();
  let outcome = 'done';
  try {
    return await action();
  } catch (error) {
    outcome = outcomeOf(error);
    throw error;
  } finally {
    observe(outcome, (performance.now() - from) / 1_000);
  }
}

/** Few words, for a label: the caller was told no, nobody answered, or something is broken. */
function outcomeOf(error: unknown): 'refused' | 'conflict' | 'unavailable' | 'failed' {
  if (error instanceof ConflictError) return 'conflict';
  if (error instanceof DuplicateIdError || error instanceof LimitError) return 'refused';
  if (error instanceof Refusal) return error.kind === 'unavailable' ? 'unavailable' : 'refused';
  const passing = error instanceof BusyError || error instanceof OutcomeUnknownError || isPassing(error);
  return passing ? 'unavailable' : 'failed';
}

function networksOf(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', prefix = ''] = network.split('/');
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    if (isIP(address) === 0 || !/^\d{1,3}$/.test(prefix) || Number(prefix) > (family === 'ipv6' ? 128 : 32)) {
      throw platformRefusals['platform.bad-configuration'](
        `MINGJING_METRICS_NETWORKS: ${network} is not a network in CIDR notation`,
      );
    }
    list.addSubnet(address, Number(prefix), family);
  }
  return list;
}
