import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { defineRefusals, Refusal } from '#libs/kernel';
import { Metrics, ProblemFilter } from '#libs/platform';
import { admitPeers } from './peers.js';
import { PortController, SERVED_PORTS } from './port.controller.js';
import { type Certificates, certificates } from './remote.fixture.js';
import { remotePort } from './remote-port.js';
import { Upstream } from './upstream.js';
import { defineWirePort } from './wire-port.js';

const refusals = defineRefusals({
  'scale.too-heavy': { kind: 'rule', title: ['Too heavy', '过重'], rules: ['gz117:16'] },
});

abstract class ScalePort {
  abstract weigh(things: readonly string[], options: { readonly unit?: string | undefined }): Promise<number>;
  abstract tare(): Promise<void>;
}

class Scale extends ScalePort {
  tared = 0;
  override async weigh(things: readonly string[]): Promise<number> {
    if (things.includes('bug')) throw new TypeError('a secret detail of the inside');
    if (things.length > 2) throw refusals['scale.too-heavy']('three things', { things: things.length });
    return things.length;
  }
  override async tare(): Promise<void> {
    this.tared += 1;
  }
}

const scaleWire = defineWirePort<ScalePort>({
  name: 'scale',
  port: ScalePort,
  callers: ['integration'],
  methods: {
    weigh: {
      args: z.tuple([z.array(z.string()), z.object({ unit: z.string().optional() })]),
      result: z.number(),
      repeatable: true,
      deadlineMs: 3_000,
    },
    tare: { args: z.tuple([]), result: z.unknown().transform(() => undefined), repeatable: false, deadlineMs: 3_000 },
  },
});

describe('a port served by another process', () => {
  let certs: Certificates;
  let app: NestFastifyApplication;
  let url: string;
  const scale = new Scale();
  const open: Upstream[] = [];

  const as = (peer: string) => {
    const upstream = new Upstream('media', [url], certs.identity(peer));
    open.push(upstream);
    return { upstream, scale: remotePort(scaleWire, upstream, new Metrics()) };
  };

  beforeAll(async () => {
    certs = await certificates(['gateway', 'integration', 'media']);
    @Module({
      controllers: [PortController],
      providers: [
        { provide: SERVED_PORTS, useValue: [scaleWire] },
        { provide: ScalePort, useValue: scale },
      ],
    })
    class Media {}
    const adapter = new FastifyAdapter({ https: certs.identity('media').serverOptions() });
    app = await NestFactory.create<NestFastifyApplication>(Media, adapter as FastifyAdapter, { logger: false });
    app.useGlobalFilters(new ProblemFilter());
    admitPeers(app.getHttpAdapter().getInstance() as unknown as FastifyInstance, [scaleWire]);
    await app.listen(0, '127.0.0.1');
    url = `https://127.0.0.1:${(app.getHttpServer().address() as { port: number }).port}`;
  });
  afterAll(async () => {
    await Promise.all(open.map((upstream) => upstream.close()));
    await app.close();
    certs.remove();
  });

  test('it answers as the near one does', async () => {
    const { scale: remote } = as('integration');
    expect(remote).toBeInstanceOf(ScalePort);
    expect(await remote.weigh(['a', 'b'], {})).toBe(2);
    await remote.tare();
    expect(scale.tared).toBe(1);
  });

  test('its refusals arrive whole: code, kind, rules, facts', async () => {
    const error = await as('integration')
      .scale.weigh(['a', 'b', 'c'], {})
      .catch((e: unknown) => e);
    expect(error).toBeInstanceOf(Refusal);
    expect(error).toMatchObject({
      code: 'scale.too-heavy',
      kind: 'rule',
      facts: { things: 3 },
      detail: 'three things',
    });
    expect((error as Refusal).rules).toEqual(['gz117:16']);
    expect((error as Refusal).declaration.title).toEqual(['Too heavy', '过重']);
  });

  test('a bug on the far side is no answer, and tells nothing of the inside', async () => {
    const error = await as('integration')
      .scale.weigh(['bug'], {})
      .catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'platform.unavailable' });
    expect((error as Refusal).detail).not.toContain('secret');
  });

  test('arguments of another shape are refused before the port is asked', async () => {
    const { scale: remote } = as('integration');
    await expect(remote.weigh(['a', 1 as never], {})).rejects.toMatchObject({ code: 'platform.invalid-input' });
  });

  test('only its callers may call it; the gateway may hand on users’ requests and nothing else', async () => {
    await expect(as('gateway').scale.tare()).rejects.toMatchObject({ code: 'platform.forbidden' });
    await expect(as('media').scale.tare()).rejects.toMatchObject({ code: 'platform.forbidden' });
    const get = { method: 'GET', path: '/api/v1/clips', deadlineMs: 2_000, repeatable: true } as const;
    expect((await as('integration').upstream.request(get)).statusCode).toBe(403);
    expect((await as('gateway').upstream.request(get)).statusCode).toBe(404); // let in; there is nothing of that name
    expect(scale.tared).toBe(1);
  });

  test('methods that no port declares do not exist', async () => {
    const { upstream } = as('integration');
    for (const path of [
      '/ports/scale/constructor',
      '/ports/scale/toString',
      '/ports/other/weigh',
      '/ports/__proto__/x',
    ]) {
      const { statusCode } = await upstream.request({
        method: 'POST',
        path,
        headers: { 'content-type': 'application/json' },
        body: '[]',
        deadlineMs: 2_000,
        repeatable: true,
      });
      expect([403, 404]).toContain(statusCode);
    }
  });
});
