import type { IncomingMessage, RequestListener } from 'node:http';
import { type FastifyInstance, fastify } from 'fastify';
import { type Certificates, certificates, type FakeReplica, replica } from './remote.fixture.js';
import { proxyTo } from './reverse-proxy.js';
import { Upstream } from './upstream.js';

interface Heard {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

describe('the gateway hands requests on', () => {
  let certs: Certificates;
  let server: FakeReplica;
  let upstream: Upstream;
  let gateway: FastifyInstance;
  let url: string;
  let answer: RequestListener;
  const heard: Heard[] = [];

  beforeAll(async () => {
    certs = await certificates(['gateway', 'registry']);
  });
  beforeEach(async () => {
    heard.length = 0;
    answer = (_request, response) => void response.writeHead(201, { etag: '"3"', 'mingjing-position': '9' }).end('{}');
    server = await replica(certs.identity('registry'), async (request, response) => {
      let body = '';
      for await (const chunk of request) body += String(chunk);
      heard.push({ method: request.method, url: request.url, headers: request.headers, body });
      answer(request, response);
    });
    upstream = new Upstream('registry', [server.url], certs.identity('gateway'));
    gateway = fastify({ forceCloseConnections: true });
    proxyTo(gateway, [{ prefixes: ['/api/v1/cameras'], upstream }]);
    url = await gateway.listen({ port: 0, host: '127.0.0.1' });
  });
  afterEach(async () => {
    await gateway.close();
    await upstream.close();
    await server.stop();
  });
  afterAll(() => certs.remove());

  test('path, query, body and headers go there, status and headers come back', async () => {
    const reply = await fetch(`${url}/api/v1/cameras/7?x=%2F..%2F`, {
      method: 'POST',
      body: '{"a":"镜"}',
      headers: { 'content-type': 'application/json', authorization: 'Bearer t', 'idempotency-key': 'key-of-mine' },
    });
    expect([reply.status, reply.headers.get('etag'), reply.headers.get('mingjing-position')]).toEqual([
      201,
      '"3"',
      '9',
    ]);
    expect(heard).toEqual([
      expect.objectContaining({ method: 'POST', url: '/api/v1/cameras/7?x=%2F..%2F', body: '{"a":"镜"}' }),
    ]);
    expect(heard[0]!.headers).toMatchObject({ authorization: 'Bearer t', 'idempotency-key': 'key-of-mine' });
  });

  test('a write without Idempotency-Key gets one, so that it may be delivered again when a replica dies over it', async () => {
    let first = true;
    const yes = answer;
    answer = (request, response) => {
      if (first) request.socket.destroy();
      else yes(request, response);
      first = false;
    };
    expect((await fetch(`${url}/api/v1/cameras`, { method: 'POST', body: '{}' })).status).toBe(201);
    expect(heard).toHaveLength(2);
    expect(heard[0]!.headers['idempotency-key']).toMatch(/^gateway-[0-9a-f-]{36}$/);
    expect(heard[1]!.headers['idempotency-key']).toBe(heard[0]!.headers['idempotency-key']);
  });

  test('what the service refuses is handed on as it stands, and not asked again', async () => {
    answer = (_request, response) =>
      void response.writeHead(503, { 'content-type': 'application/problem+json' }).end('{"code":"x"}');
    const reply = await fetch(`${url}/api/v1/cameras`);
    expect([reply.status, await reply.text()]).toEqual([503, '{"code":"x"}']);
    expect(heard).toHaveLength(1);
  });

  test('a service that is gone is a problem document with 503 and Retry-After', async () => {
    await server.stop();
    const reply = await fetch(`${url}/api/v1/cameras`);
    expect([reply.status, reply.headers.get('retry-after')]).toEqual([503, '1']);
    expect(await reply.json()).toMatchObject({ code: 'platform.unavailable' });
  });

  test('headers of the connection end at the gateway', async () => {
    await fetch(`${url}/api/v1/cameras`, { headers: { te: 'trailers' } });
    expect(heard[0]!.headers).not.toHaveProperty('te');
    expect(heard[0]!.headers.host).not.toBe(new URL(url).host);
  });

  test('a body over the limit is refused before a service sees it', async () => {
    const reply = await fetch(`${url}/api/v1/cameras`, { method: 'POST', body: 'x'.repeat(300_000) });
    expect(reply.status).toBe(413);
    expect(heard).toEqual([]);
  });

  test('a long answer streams; when the player leaves the service notices', async () => {
    const left = Promise.withResolvers<void>();
    answer = (_request, response) => {
      response.once('close', () => left.resolve());
      const more = () => {
        while (response.write(Buffer.alloc(65_536)));
      };
      response.on('drain', more);
      more();
    };
    const leaving = new AbortController();
    const reply = await fetch(`${url}/api/v1/cameras`, { signal: leaving.signal });
    const reader = reply.body!.getReader();
    expect((await reader.read()).value!.length).toBeGreaterThan(0);
    leaving.abort();
    await left.promise;
  });

  test('when the service dies in the middle of an answer the player’s connection ends, it is not told the end', async () => {
    answer = (_request, response) => {
      response.writeHead(200, { 'content-length': '1000000' });
      response.write('begin');
      setTimeout(() => response.destroy(), 50);
    };
    const reply = await fetch(`${url}/api/v1/cameras`);
    await expect(reply.text()).rejects.toThrow();
  });

  test('other addresses are not handed on', async () => {
    expect((await fetch(`${url}/api/v1/camerasX`)).status).toBe(404);
    expect((await fetch(`${url}/ports/media/check`, { method: 'POST' })).status).toBe(404);
    expect(heard).toEqual([]);
  });
});
