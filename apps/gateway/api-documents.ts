import { setTimeout as sleep } from 'node:timers/promises';
import type { OpenAPIObject } from '@nestjs/swagger';
import type { Upstream } from '#libs/remote';
import { OPENAPI_PATH } from '../composition/service.js';

const REFRESH_MS = 30_000;
const RETRY_MS = 500;
const DEADLINE_MS = 5_000;
const DOCUMENT_BYTES_MAX = 4 * 1024 * 1024;

/** One OpenAPI document from the gateway's own and those of the services behind it, asked again now and then. */
export class ApiDocuments {
  readonly #known = new Map<string, OpenAPIObject>();
  readonly #stopping = new AbortController();

  constructor(
    private readonly own: () => OpenAPIObject,
    private readonly upstreams: readonly Upstream[],
  ) {}

  start(): void {
    for (const upstream of this.upstreams) void this.#follow(upstream);
  }

  stop(): void {
    this.#stopping.abort();
  }

  /** What is known at this moment; a service that has not answered yet is missing. */
  whole(): OpenAPIObject {
    const whole = this.own();
    for (const { paths, components } of this.#known.values()) {
      whole.paths = { ...paths, ...whole.paths };
      whole.components = {
        ...whole.components,
        schemas: { ...components?.schemas, ...whole.components?.schemas },
      };
    }
    return whole;
  }

  async #follow(upstream: Upstream): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const document = await this.#ask(upstream, signal).catch(() => undefined);
      if (document !== undefined) this.#known.set(upstream.service, document);
      const known = this.#known.has(upstream.service);
      await sleep(known ? REFRESH_MS : RETRY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async #ask(upstream: Upstream, signal: AbortSignal): Promise<OpenAPIObject> {
    const { statusCode, body } = await upstream.request({
      method: 'GET',
      path: OPENAPI_PATH,
      deadlineMs: DEADLINE_MS,
      repeatable: true,
      signal,
    });
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of body as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > DOCUMENT_BYTES_MAX) throw new Error('the OpenAPI document is too long');
      chunks.push(chunk);
    }
    if (statusCode !== 200) throw new Error(`answered ${statusCode}`);
    return JSON.parse(Buffer.concat(chunks).toString('utf8')) as OpenAPIObject;
  }
}
