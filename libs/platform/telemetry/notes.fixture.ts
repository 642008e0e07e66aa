import { Body, Controller, type DynamicModule, Get, Inject, Param, Post, type Type } from '@nestjs/common';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { z } from 'zod';
import { type Appended, EventStore, MemoryEventStore, type StreamAppend } from '#libs/event-store';
import {
  Clock,
  type DomainCommand,
  defineEvents,
  type EventOf,
  type Principal,
  type RequestContext,
  type StreamDefinition,
  SystemClock,
} from '#libs/kernel';
import {
  Allow,
  Authenticator,
  Commands,
  Context,
  DATABASE_URL,
  Metrics,
  observeHttp,
  observeStore,
  PlatformModule,
  Public,
  platformRefusals,
  setCommandDigestKey,
  written,
} from '#libs/platform';

export const noteEvents = defineEvents('test', 'note', {
  NoteTaken: {
    data: z.strictObject({ text: z.string() }),
    version: 1,
    meaning: ['Noted', '记'],
    since: '0.1',
    rules: [],
  },
});

export interface TakeNote extends DomainCommand<'TakeNote'> {
  readonly text: string;
}

const noteStream: StreamDefinition<null, TakeNote, EventOf<typeof noteEvents>> = {
  events: noteEvents,
  decider: {
    decide: ({ text }) => [{ type: 'NoteTaken', data: { text } }],
    evolve: () => null,
    initialState: () => null,
  },
};

export const noteBody = z.strictObject({ text: z.string().min(1).max(20) });

/** Opened by a spec to let requests for `/notes/:id/slow` through. */
export const gate = { open: Promise.resolve() };

@Controller('notes')
class NoteController {
  constructor(@Inject(Commands) private readonly commands: Commands) {}

  @Post()
  @Allow({ roles: ['auditor'] })
  async take(@Body({ schema: noteBody }) body: z.infer<typeof noteBody>, @Context() context: RequestContext) {
    const command: TakeNote = { type: 'TakeNote', text: body.text };
    return written(await this.commands.run(noteStream, context.newId(), command, context));
  }

  @Get(':id')
  @Public()
  read(@Param('id') id: string) {
    return { id };
  }

  @Get(':id/slow')
  @Public()
  async slow() {
    await gate.open;
    return { slow: true };
  }

  @Get(':id/bug')
  @Public()
  bug(@Param('id') id: string) {
    throw new Error(`secret detail ${id}`);
  }
}

class AuditorAlways extends Authenticator {
  override async authenticate(authorization: string | undefined): Promise<Principal> {
    if (authorization === undefined) throw platformRefusals['platform.unauthenticated']('no token');
    return {
      kind: 'person',
      id: 'auditor-id',
      organisation: { id: 'o', kind: 'audit-office', level: 'province', division: '52', powers: [] },
      roles: ['auditor'],
      authenticatedAt: 0,
    };
  }
}

export interface Notes {
  readonly app: NestFastifyApplication;
  readonly store: EventStore;
  take(text: string, headers?: Record<string, string>): Promise<{ status: number; id: string }>;
  get(url: string, headers?: Record<string, string>): ReturnType<NestFastifyApplication['inject']>;
}

/** A store that can be made to fail, or to say nothing at all. */
export class FragileStore extends MemoryEventStore {
  is: 'well' | 'hanging' | 'away' = 'well';
  /** What the next append throws. */
  failure: Error | undefined;
  /** How often it was asked for its head. */
  asked = 0;

  override head(): Promise<bigint> {
    this.asked += 1;
    switch (this.is) {
      case 'well':
        return super.head();
      case 'hanging':
        return new Promise(() => {});
      case 'away':
        return Promise.reject(Object.assign(new Error('connect ECONNREFUSED 10.0.0.7:5432'), { code: 'ECONNREFUSED' }));
    }
  }

  override append(appends: readonly StreamAppend[]): Promise<Appended> {
    return this.failure === undefined ? super.append(appends) : Promise.reject(this.failure);
  }
}

/** A small service with everything that is watched in a real one. */
export async function startNotes({
  store: inner = new MemoryEventStore(),
  metrics = new Metrics(),
  modules = [],
  databaseUrl = '',
}: {
  readonly store?: EventStore;
  readonly metrics?: Metrics;
  readonly modules?: readonly (Type | DynamicModule)[];
  readonly databaseUrl?: string;
} = {}): Promise<Notes> {
  setCommandDigestKey(new Uint8Array(32).fill(3));
  const store = observeStore(inner, metrics);
  const platform = PlatformModule.forRoot([
    { provide: EventStore, useValue: store },
    { provide: Metrics, useValue: metrics },
    { provide: Clock, useValue: new SystemClock() },
    { provide: Authenticator, useClass: AuditorAlways },
    { provide: DATABASE_URL, useValue: databaseUrl },
  ]);
  const testing = await Test.createTestingModule({
    imports: [platform, ...modules],
    controllers: [NoteController],
  }).compile();
  testing.useLogger(false);
  const app = testing.createNestApplication<NestFastifyApplication>(new FastifyAdapter());
  observeHttp(app);
  await app.init();
  await app.getHttpAdapter().getInstance().ready();
  return {
    app,
    store,
    take: async (text, headers = {}) => {
      const asked = { authorization: 'Bearer auditor', ...headers };
      const answer = await app.inject({ method: 'POST', url: '/notes', headers: asked, payload: { text } });
      return { status: answer.statusCode, id: answer.json().id };
    },
    get: (url, headers = {}) => app.inject({ url, headers }),
  };
}
