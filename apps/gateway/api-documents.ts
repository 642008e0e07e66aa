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
    const request = { method: 'GET', path: OPENAPI_PATH, deadlineMs: DEADLINE_MS, repeatable: true, signal };
    const { statusCode, text } = await upstream.text(request, DOCUMENT_BYTES_MAX);
    if (statusCode !== 200) throw new Error(`answered ${statusCode}`);
    return JSON.parse(text) as OpenAPIObject;
  }
}
