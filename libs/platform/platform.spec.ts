import { Body, Controller, Get, Inject, Module, Param, Post } from '@nestjs/common';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import type { z } from 'zod';
import { EventStore, MemoryEventStore } from '#libs/event-store';
import {
  Clock,
  defineRefusals,
  type EventOf,
  ManualClock,
  type Principal,
  type RequestContext,
  type StreamDefinition,
} from '#libs/kernel';
import {
  Allow,
  Authenticator,
  Commands,
  Context,
  hardenHttp,
  PlatformModule,
  Public,
  platformRefusals,
  readConfig,
  serveApiReference,
  setCommandDigestKey,
  written,
} from '#libs/platform';
import { noteBody, noteEvents, type TakeNote } from './telemetry/notes.fixture.js';

const refusals = defineRefusals({
  'test.forbidden-word': { kind: 'rule', title: ['A forbidden word', '禁用词'], rules: ['gz117:9.1(1)'] },
});
const noteStream: StreamDefinition<null, TakeNote, EventOf<typeof noteEvents>> = {
  events: noteEvents,
  decider: {
    decide: ({ text }) => {
      if (text === 'forbidden') throw refusals['test.forbidden-word']('this word', { word: 1 });
      return [{ type: 'NoteTaken', data: { text } }];
    },
    evolve: () => null,
    initialState: () => null,
  },
};

@Controller('notes')
class NoteController {
  constructor(@Inject(Commands) private readonly commands: Commands) {}

  @Post()
  @Allow({ roles: ['auditor'] })
  async take(@Body({ schema: noteBody }) body: z.infer<typeof noteBody>, @Context() context: RequestContext) {
    const command: TakeNote = { type: 'TakeNote', text: body.text };
    return written(await this.commands.run(noteStream, context.newId(), command, context));
  }

  @Get('open')
  @Public()
  open() {
    return { open: true };
  }

  @Get('forgotten')
  forgotten() {
    return { secret: true };
  }

  @Get(':id/bug')
  @Allow({ roles: 'signed-in' })
  bug(@Param('id') id: string) {
    throw new Error(`secret detail ${id}`);
  }

  @Get('outage')
  @Public()
  outage() {
    throw Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:5432'), { code: 'ECONNREFUSED' });
  }
}

/** Stand-in for the identity service: the word after Bearer is the role. */
class WordAuthenticator extends Authenticator {
  override async authenticate(authorization: string | undefined): Promise<Principal> {
    const word = /^Bearer (\w+)$/.exec(authorization ?? '')?.[1];
    if (word === undefined) throw platformRefusals['platform.unauthenticated']('no token');
    return {
      kind: word === 'client' ? 'client' : 'person',
      id: `${word}-id`,
      organisation: { id: 'o', kind: 'audit-office', level: 'province', division: '52', powers: [] },
      roles: word === 'auditor' || word === 'client' ? ['auditor'] : [],
      authenticatedAt: 0,
    };
  }
}

@Module({ controllers: [NoteController], imports: [] })
class NoteModule {}

describe('the edge of every service', () => {
  let app: NestFastifyApplication;
  let store: MemoryEventStore;

  beforeAll(async () => {
    setCommandDigestKey(new Uint8Array(32).fill(3));
    store = new MemoryEventStore();
    const platform = PlatformModule.forRoot([
      { provide: EventStore, useValue: store },
      { provide: Clock, useValue: new ManualClock('2026-01-01T00:00:00.000Z') },
      { provide: Authenticator, useClass: WordAuthenticator },
    ]);
    const module = await Test.createTestingModule({ imports: [platform, NoteModule] }).compile();
    module.useLogger(false);
    app = module.createNestApplication<NestFastifyApplication>(new FastifyAdapter({ bodyLimit: 1_000 }));
    await hardenHttp(app);
    serveApiReference(app);
    await app.init();
    await app.getHttpAdapter().getInstance().ready();
  });

  afterAll(() => app.close());

  const post = (body: unknown, role: string | undefined, headers: Record<string, string> = {}) =>
    app.inject({
      method: 'POST',
      url: '/notes',
      headers: {
        'content-type': 'application/json',
        ...(role === undefined ? {} : { authorization: `Bearer ${role}` }),
        ...headers,
      },
      payload: typeof body === 'string' ? body : JSON.stringify(body),
    });

  test('a stranger is refused before his input is looked at', async () => {
    const answer = await post({ nonsense: true }, undefined);
    expect(answer.statusCode).toBe(401);
    expect(answer.headers['content-type']).toContain('application/problem+json');
    expect(answer.headers['www-authenticate']).toContain('Bearer');
    expect(answer.json()).toMatchObject({ code: 'platform.unauthenticated', status: 401 });
    expect(answer.body).not.toContain('nonsense');
  });

  test('a role that the endpoint does not name is refused, and so is a client where people are asked for', async () => {
    expect((await post({ text: 'a' }, 'clerk')).json()).toMatchObject({ status: 403, code: 'platform.forbidden' });
    expect((await post({ text: 'a' }, 'client')).json()).toMatchObject({ status: 403, code: 'platform.forbidden' });
  });

  test('an endpoint that forgot its policy is closed to everyone', async () => {
    const answer = await app.inject({ url: '/notes/forgotten', headers: { authorization: 'Bearer auditor' } });
    expect(answer.statusCode).toBe(403);
    expect((await app.inject({ url: '/notes/open' })).json()).toEqual({ open: true });
  });

  test('a write answers its position and its ETag', async () => {
    const answer = await post({ text: 'a' }, 'auditor');
    expect(answer.statusCode).toBe(201);
    expect(answer.headers['mingjing-position']).toBe(String(await store.head()));
    expect(answer.headers.etag).toBe('"0"');
  });

  test('repeated with its Idempotency-Key it gives the same entity and appends nothing', async () => {
    const key = { 'idempotency-key': 'key-number-1' };
    const first = await post({ text: 'b' }, 'auditor', key);
    const head = await store.head();
    const again = await post({ text: 'b' }, 'auditor', key);
    expect(again.json()).toEqual(first.json());
    expect(again.headers['mingjing-position']).toBe(first.headers['mingjing-position']);
    expect(await store.head()).toBe(head);
    expect((await post({ text: 'c' }, 'auditor', key)).json()).toMatchObject({
      code: 'command.idempotency-key-reused',
    });
  });

  test('input that does not fit is named field by field', async () => {
    const answer = await post({ text: '', more: 1 }, 'auditor');
    expect(answer.statusCode).toBe(400);
    expect(answer.json()).toMatchObject({ code: 'platform.invalid-input', facts: { fields: expect.any(Array) } });
    expect(answer.json().facts.fields.map((f: { path: string }) => f.path)).toContain('text');
  });

  test.each([
    ['broken JSON', '{"text":', 400, 'platform.invalid-input'],
    ['a body over the limit', JSON.stringify({ text: 'x'.repeat(2_000) }), 413, 'platform.too-large'],
  ])('%s is a problem document, not a stack trace', async (_, body, status, code) => {
    const answer = await post(body, 'auditor');
    expect(answer.json()).toMatchObject({ status, code });
    expect(answer.body).not.toMatch(/node_modules|at .*\.ts/);
  });

  test('a refusal carries its code, its rule and its title in both languages', async () => {
    const answer = await post({ text: 'forbidden' }, 'auditor');
    expect(answer.json()).toEqual({
      type: 'urn:mingjing:refusal:test.forbidden-word',
      title: 'A forbidden word',
      titleZh: '禁用词',
      status: 422,
      code: 'test.forbidden-word',
      detail: 'this word',
      rules: ['gz117:9.1(1)'],
      facts: { word: 1 },
    });
  });

  test('an unknown path is a problem document', async () => {
    expect((await app.inject({ url: '/nowhere' })).json()).toMatchObject({ status: 404, code: 'platform.not-found' });
  });

  test('a bug shows a number to ask for and nothing of its inside', async () => {
    const answer = await app.inject({ url: '/notes/7/bug', headers: { authorization: 'Bearer auditor' } });
    expect(answer.json()).toMatchObject({ status: 500, code: 'platform.bug' });
    expect(answer.body).not.toContain('secret');
  });

  test('an event store that is away is an outage to come back after, and no bug', async () => {
    const answer = await app.inject({ url: '/notes/outage' });
    expect(answer.json()).toMatchObject({ status: 503, code: 'platform.unavailable' });
    expect(answer.headers['retry-after']).toBe('1');
    expect(answer.body).not.toContain('127.0.0.1');
  });

  test('the API reference and its OpenAPI 3.1 document say what the schemas say', async () => {
    const document = (await app.inject({ url: '/api/openapi.json' })).json();
    expect(document.openapi).toBe('3.1.0');
    const body = document.paths['/notes'].post.requestBody.content['application/json'].schema;
    expect(JSON.stringify(body)).toContain('maxLength');
    expect((await app.inject({ url: '/api' })).body).toContain('Mingjing API');
  });

  test('the root page shows the state and is honest about what does not answer', async () => {
    const up = (await app.inject({ url: '/' })).body;
    expect(up).toContain('明镜');
    expect(up).not.toContain('Degraded');
    store.head = () => Promise.reject(new Error('connect ECONNREFUSED 127.0.0.1:5432'));
    const page = (await app.inject({ url: '/' })).body;
    expect(page).toContain('Degraded');
    expect(page).not.toContain('127.0.0.1');
    expect((await app.inject({ url: '/health/ready' })).statusCode).toBe(503);
    store.head = MemoryEventStore.prototype.head;
    expect((await app.inject({ url: '/health/ready' })).statusCode).toBe(200);
  });
});

describe('configuration', () => {
  test('has defaults for everything', () => {
    expect(readConfig({ PATH: '/bin' })).toMatchObject({
      host: '127.0.0.1',
      port: 8080,
      publicUrl: 'http://127.0.0.1:8080',
    });
  });

  test.each([
    [{ MINGJING_PROT: '1' }, /MINGJING_PROT/],
    [{ MINGJING_PORT: 'many' }, /MINGJING_PORT/],
    [{ MINGJING_DATABASE_URL: 'mysql://x' }, /MINGJING_DATABASE_URL/],
  ])('names the setting that is wrong: %j', (env, message) => {
    expect(() => readConfig(env as Record<string, string>)).toThrow(message);
  });
});
