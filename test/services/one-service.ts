import { randomUUID } from 'node:crypto';
import type { DynamicModule, Provider, Type } from '@nestjs/common';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { EventStore, migrateEventStore, PostgresEventStore, withCatalogue } from '#libs/event-store';
import { Clock, EventCatalogue, ManualClock, type Principal, type StreamEvents } from '#libs/kernel';
import { Authenticator, DATABASE_URL, PlatformModule, platformRefusals, setCommandDigestKey } from '#libs/platform';
import { freshDatabase } from './postgres.js';

/** Fields that answers have in common; which of them are there the spec says. */
interface Body {
  readonly id: string;
  readonly code: string;
  readonly rules: readonly string[];
  readonly items: readonly ({ readonly id: string } & Record<string, unknown>)[];
  readonly nextCursor: string | null;
  readonly [field: string]: unknown;
}

interface Answer {
  readonly status: number;
  readonly body: Body;
  readonly headers: Readonly<Record<string, unknown>>;
}

/** One service of the hub over HTTP, on a real PostgreSQL; who asks is said by the spec instead of by a token. */
export interface OneService {
  readonly app: NestFastifyApplication;
  readonly store: EventStore;
  readonly clock: ManualClock;
  get(as: Principal | undefined, path: string): Promise<Answer>;
  /** Sends a fresh Idempotency-Key unless one is given; every request reads the writes before it. */
  post(as: Principal | undefined, path: string, body?: object, headers?: Record<string, string>): Promise<Answer>;
  /** Makes every later request wait for what the spec itself has appended. */
  saw(position: bigint): void;
  stop(): Promise<void>;
}

/** @param at where the clock of the service stands, ISO 8601 */
export async function startOneService(
  module: Type | DynamicModule,
  events: readonly StreamEvents[],
  at: string,
  providers: readonly Provider[] = [],
): Promise<OneService> {
  setCommandDigestKey(new Uint8Array(32).fill(7));
  const database = await freshDatabase();
  await migrateEventStore(database.ownerUrl, database.serviceRole);
  const postgres = new PostgresEventStore({ url: database.url });
  const catalogue = new EventCatalogue(events);
  const store = withCatalogue(postgres, catalogue);
  const clock = new ManualClock(at);
  const people = new Map<string, Principal>();

  class StandIn extends Authenticator {
    override async authenticate(authorization: string | undefined): Promise<Principal> {
      const principal = people.get(authorization ?? '');
      if (principal === undefined) throw platformRefusals['platform.unauthenticated']('nobody');
      return principal;
    }
  }

  const platform = PlatformModule.forRoot([
    { provide: EventStore, useValue: store },
    { provide: EventCatalogue, useValue: catalogue },
    { provide: Clock, useValue: clock },
    { provide: DATABASE_URL, useValue: database.url },
    { provide: Authenticator, useClass: StandIn },
    ...providers,
  ]);
  const testing = await Test.createTestingModule({ imports: [platform, module] }).compile();
  testing.useLogger(false);
  const app = testing.createNestApplication<NestFastifyApplication>(new FastifyAdapter());
  await app.init();

  const { saw, send } = client(app, people);
  return {
    app,
    store,
    clock,
    get: (as, path) => send(as, 'GET', path, {}),
    post: (as, path, body = {}, headers = {}) =>
      send(as, 'POST', path, { payload: body, headers: { 'idempotency-key': randomUUID(), ...headers } }),
    saw,
    stop: async () => {
      await app.close();
      await postgres.close();
      await database.drop();
    },
  };
}

/** Sends requests; each waits for what all before it have written. */
function client(app: NestFastifyApplication, people: Map<string, Principal>) {
  let position = 0n;
  const saw = (seen: bigint) => {
    if (seen > position) position = seen;
  };
  const send = async (
    as: Principal | undefined,
    method: 'GET' | 'POST',
    url: string,
    more: object,
  ): Promise<Answer> => {
    const authorization = as === undefined ? undefined : `Bearer ${as.id}`;
    if (as !== undefined && authorization !== undefined) people.set(authorization, as);
    const { headers, ...rest } = more as { headers?: Record<string, string> };
    const answer = await app.inject({
      method,
      url,
      headers: { ...(authorization ? { authorization } : {}), 'mingjing-position': String(position), ...headers },
      ...rest,
    });
    const written = answer.headers['mingjing-position'];
    if (typeof written === 'string') saw(BigInt(written));
    return { status: answer.statusCode, body: answer.json(), headers: answer.headers };
  };
  return { saw, send };
}
