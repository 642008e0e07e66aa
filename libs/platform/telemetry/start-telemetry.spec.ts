import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { SpanExporter } from '@opentelemetry/sdk-trace';
import { startTelemetry } from '#libs/platform';
import { inSpan, traceHeaders } from '#libs/tracing';

/** Stand-in for an OpenTelemetry collector: keeps what it is sent (OTLP over HTTP, JSON) or hangs. */
class Collector {
  readonly received: { path: string; body: string }[] = [];
  readonly #server: Server;

  constructor(answers: boolean) {
    this.#server = createServer(async (request: IncomingMessage, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      this.received.push({ path: request.url ?? '', body: Buffer.concat(chunks).toString() });
      if (answers) response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as { port: number }).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

test('finished spans go to the collector that is named, under the name of the service', async () => {
  const collector = new Collector(true);
  const telemetry = startTelemetry({ service: 'access', otlpUrl: `${await collector.start()}/otlp` });
  await inSpan('command OpenSession', { 'mingjing.category': 'retrievalSession' }, async () => {});
  await telemetry.stop();
  expect(collector.received).toHaveLength(1);
  expect(collector.received[0]!.path).toBe('/otlp/v1/traces');
  const { resourceSpans } = JSON.parse(collector.received[0]!.body);
  expect(resourceSpans[0].resource.attributes).toEqual([
    { key: 'service.name', value: { stringValue: 'mingjing-access' } },
  ]);
  expect(resourceSpans[0].scopeSpans[0].spans[0].name).toBe('command OpenSession');
  await collector.stop();
});

test('a collector that hangs holds up neither the work nor the end of the process', async () => {
  const collector = new Collector(false);
  const telemetry = startTelemetry({ service: 'access', otlpUrl: await collector.start() });
  expect(await inSpan('work', {}, async () => 'done')).toBe('done');
  await telemetry.stop();
  expect(collector.received).toHaveLength(1);
  await collector.stop();
});

const LOST = 'traces are lost: the collector at MINGJING_OTLP_URL does not take them.';

test('a collector that is away is told of in one sentence', async () => {
  const collector = new Collector(true);
  const url = await collector.start();
  await collector.stop();
  const said: string[] = [];
  const telemetry = startTelemetry({ service: 'access', otlpUrl: url, warn: (sentence) => said.push(sentence) });
  await inSpan('work', {}, async () => {});
  await telemetry.flush().catch(() => {});
  await telemetry.stop();
  expect(said).toEqual([LOST]);
});

test('a loss that goes on is told of once, not once a batch', async () => {
  const said: string[] = [];
  const exporter: SpanExporter = { export: (_, done) => done({ code: 1 }), shutdown: async () => {} };
  const telemetry = startTelemetry({ service: 'access', exporter, warn: (sentence) => said.push(sentence) });
  for (let batch = 0; batch < 3; batch += 1) {
    await inSpan('work', {}, async () => {});
    await telemetry.flush().catch(() => {});
  }
  await telemetry.stop();
  expect(said).toEqual([LOST]);
});

test('after it has stopped there is no trace any more, and it can be started again', async () => {
  for (let round = 0; round < 2; round += 1) {
    const collector = new Collector(true);
    const telemetry = startTelemetry({ service: 'access', otlpUrl: await collector.start() });
    expect(await inSpan('work', {}, async () => traceHeaders())).toHaveProperty('traceparent');
    await telemetry.stop();
    expect(await inSpan('work', {}, async () => traceHeaders())).toEqual({});
    expect(collector.received).toHaveLength(1);
    await collector.stop();
  }
});
