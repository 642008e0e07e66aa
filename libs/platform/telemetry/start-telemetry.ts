import { context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { type ExportResult, ExportResultCode } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  AlwaysOnSampler,
  BatchSpanProcessor,
  type ReadableSpan,
  type SpanExporter,
  TracerProvider,
} from '@opentelemetry/sdk-trace';

interface TelemetryOptions {
  /** Name under which this process appears: `hub`, `access`. */
  readonly service: string;
  /** Base address of an OpenTelemetry collector (OTLP over HTTP, `<base>/v1/traces`); without it nothing is sent. */
  readonly otlpUrl?: string | undefined;
  /** In the place of a collector: where finished spans go. */
  readonly exporter?: SpanExporter;
  /** Told, at most once a minute, that spans were lost. */
  readonly warn?: (sentence: string) => void;
}

/** The running telemetry of this process. */
export interface Telemetry {
  /** Hands out what has ended already. */
  flush(): Promise<void>;
  /** Flushes for at most two seconds, then tracing is off. */
  stop(): Promise<void>;
}

const SPANS_WAITING_MAX = 2_048;
const EXPORT_MS_MAX = 5_000;
const STOP_MS_MAX = 2_000;
const WARN_EVERY_MS = 60_000;

/**
 * Starts tracing for the whole process; once, before anything else. Without a collector nothing is recorded, but a
 * trace that comes in is still carried on, into events and to other processes, as W3C Trace Context asks of everyone.
 * Every request is sampled: what a caller says of sampling is not followed, nobody can keep out of the traces.
 */
export function startTelemetry({ service, otlpUrl, exporter, warn = () => {} }: TelemetryOptions): Telemetry {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager());
  const sink = exporter ?? (otlpUrl === undefined ? undefined : collector(otlpUrl));
  if (sink === undefined) {
    return { flush: async () => {}, stop: async () => context.disable() };
  }
  const provider = new TracerProvider({
    // Not the detected resource: that would tell command lines and host names.
    resource: resourceFromAttributes({ 'service.name': `mingjing-${service}` }),
    sampler: new AlwaysOnSampler(),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: new WatchedExporter(sink, warn),
        maxQueueSize: SPANS_WAITING_MAX,
        exportTimeoutMillis: EXPORT_MS_MAX,
      }),
    ],
  });
  trace.setGlobalTracerProvider(provider);
  return {
    flush: () => provider.forceFlush(),
    stop: async () => {
      await Promise.race([provider.shutdown().catch(() => {}), pause(STOP_MS_MAX)]);
      trace.disable();
      context.disable();
    },
  };
}

function collector(base: string): SpanExporter {
  const url = new URL('v1/traces', base.endsWith('/') ? base : `${base}/`);
  return new OTLPTraceExporter({ url: url.href, timeoutMillis: EXPORT_MS_MAX });
}

/** Tells when spans were lost: a collector that is away must be seen, but not once a batch. */
class WatchedExporter implements SpanExporter {
  #saidAt = Number.NEGATIVE_INFINITY;

  constructor(
    readonly sink: SpanExporter,
    readonly warn: (sentence: string) => void,
  ) {}

  export(spans: ReadableSpan[], done: (result: ExportResult) => void): void {
    this.sink.export(spans, (result) => {
      if (result.code !== ExportResultCode.SUCCESS) this.#tell();
      done(result);
    });
  }

  shutdown(): Promise<void> {
    return this.sink.shutdown();
  }

  #tell(): void {
    if (performance.now() - this.#saidAt < WARN_EVERY_MS) return;
    this.#saidAt = performance.now();
    this.warn('traces are lost: the collector at MINGJING_OTLP_URL does not take them.');
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}
