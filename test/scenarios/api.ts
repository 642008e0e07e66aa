import { randomUUID } from 'node:crypto';

/** An answer of the hub, as a user sees it. */
export interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
  readonly headers: Headers;
}

/** Newest position that any user of this scenario has been answered: everybody reads everybody's writes. */
export class SharedPosition {
  #newest = 0n;

  get value(): string {
    return String(this.#newest);
  }

  saw(headers: Headers): void {
    const position = headers.get('mingjing-position');
    if (position !== null && BigInt(position) > this.#newest) this.#newest = BigInt(position);
  }
}

/** One signed-in user of the hub's public HTTP API. */
export class User {
  constructor(
    readonly name: string,
    readonly baseUrl: string,
    private readonly position: SharedPosition,
    /** Access token as of now; undefined for a stranger. */
    readonly token: () => Promise<string> | string | undefined,
  ) {}

  get(path: string): Promise<Answer> {
    return this.#send('GET', path);
  }

  post(path: string, body: unknown = {}, headers: Record<string, string> = {}): Promise<Answer> {
    return this.#send('POST', path, body, { 'idempotency-key': randomUUID(), ...headers });
  }

  delete(path: string): Promise<Answer> {
    return this.#send('DELETE', path, undefined, { 'idempotency-key': randomUUID() });
  }

  async #send(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const token = await this.token();
    const response = await fetch(new URL(path, this.baseUrl), {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        'mingjing-position': this.position.value,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    this.position.saw(response.headers);
    const text = await response.text();
    const json = response.headers.get('content-type')?.includes('json') === true && text !== '';
    return { status: response.status, body: json ? JSON.parse(text) : { text }, headers: response.headers };
  }
}
