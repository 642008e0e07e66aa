import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Module } from '@nestjs/common';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { z } from 'zod';
import {
  type Appended,
  EventStore,
  migrateEventStore,
  OutcomeUnknownError,
  PostgresEventStore,
  type RecordedEvent,
  type StreamAppend,
  withCatalogue,
} from '#libs/event-store';
import {
  Clock,
  defineEvents,
  EventCatalogue,
  ManualClock,
  newId,
  type Principal,
  type StreamEvents,
} from '#libs/kernel';
import {
  Authenticator,
  DATABASE_URL,
  HUB_CONFIG,
  PlatformModule,
  platformRefusals,
  readConfig,
  setCommandDigestKey,
} from '#libs/platform';
import { KeyRing, PostgresVault, personalDataEvents, Vault } from '#libs/vault';
import { freshDatabase } from '../../test/services/postgres.js';
import { AT, at, cameras, ids, people } from './access.fixture.js';
import { AccessModule } from './access.module.js';
import { accessRequestEvents } from './access-request/access-request.events.js';
import { grantEvents } from './grant/grant.events.js';
import { clipDecisionEvents, playbackEvents } from './playback/playback.events.js';
import { retrievalSessionEvents } from './retrieval-session/retrieval-session.events.js';

/** What other services would have appended, in the parts that access brokering reads. */
const foreign = (service: string, category: string, ...types: string[]): StreamEvents =>
  defineEvents(
    service,
    category,
    Object.fromEntries(
      types.map((type) => [
        type,
        { data: z.looseObject({}), version: 1, meaning: ['of another service', '其他服务'], since: '0.1', rules: [] },
      ]),
    ),
  );
const foreignEvents = [
  foreign('identity', 'organisation', 'OrganisationRegistered'),
  foreign(
    'identity',
    'person',
    'PersonRegistered',
    'PersonDeactivated',
    'EnforcementCredentialFiled',
    'EnforcementCredentialWithdrawn',
  ),
  foreign('identity', 'apiClient', 'ApiClientRegistered', 'ApiClientDeactivated'),
  foreign('registry', 'camera', 'CameraRegistered'),
  foreign('integration', 'cameraFeed', 'CameraFeedTaken', 'CameraFeedReleased'),
];

/** The event store behind a switch. */
class SwitchedStore extends EventStore {
  down = false;
  /** Lets reading through and fails appending: the record cannot be written. */
  readOnly = false;

  constructor(private readonly store: EventStore) {
    super();
  }

  #check(): void {
    if (this.down) throw new Error('connect ECONNREFUSED');
  }

  async append(appends: readonly StreamAppend[]): Promise<Appended> {
    const { stream } = appends[0]!;
    if (this.down || this.readOnly) throw new OutcomeUnknownError(stream, new Error('connect ECONNREFUSED'));
    return this.store.append(appends);
  }
  async *readStream(...args: Parameters<EventStore['readStream']>): AsyncIterable<RecordedEvent> {
    this.#check();
    yield* this.store.readStream(...args);
  }
  readAll(...args: Parameters<EventStore['readAll']>) {
    return this.store.readAll(...args);
  }
  async head(): Promise<bigint> {
    this.#check();
    return this.store.head();
  }
  follow(...args: Parameters<EventStore['follow']>) {
    return this.store.follow(...args);
  }
}

/** Stand-in for identity: the word after Bearer is the person, who has just authenticated. */
class NameAuthenticator extends Authenticator {
  constructor(private readonly clock: Clock) {
    super();
  }

  override async authenticate(authorization: string | undefined): Promise<Principal> {
    const name = /^Bearer (\w+)$/.exec(authorization ?? '')?.[1];
    const who = people[name as keyof typeof people] as Principal | undefined;
    if (who === undefined) throw platformRefusals['platform.unauthenticated']('no token');
    const roles = who.kind === 'client' ? (['department-officer'] as const) : who.roles;
    return { ...who, roles, authenticatedAt: this.clock.now() };
  }
}

/** The access module behind its HTTP edge. */
async function openAccess(url: string, store: EventStore, clock: Clock, keys: KeyRing, vault: Vault) {
  const platform = PlatformModule.forRoot([
    { provide: HUB_CONFIG, useValue: readConfig({}) },
    { provide: EventStore, useValue: store },
    { provide: Clock, useValue: clock },
    { provide: DATABASE_URL, useValue: url },
    { provide: KeyRing, useValue: keys },
    { provide: Vault, useValue: vault },
    { provide: Authenticator, useValue: new NameAuthenticator(clock) },
  ]);
  @Module({ imports: [platform, AccessModule] })
  class CityModule {}
  const module = await Test.createTestingModule({ imports: [CityModule] }).compile();
  module.useLogger(false);
  const app = module.createNestApplication<NestFastifyApplication>(new FastifyAdapter());
  await app.init();
  await app.getHttpAdapter().getInstance().ready();
  return app;
}

/** The access service on a real PostgreSQL, in a city of one bureau, one department and two cameras. */
export async function startAccess() {
  setCommandDigestKey(new Uint8Array(32).fill(7));
  const database = await freshDatabase();
  await migrateEventStore(database.ownerUrl, database.serviceRole);
  const postgres = new PostgresEventStore({ url: database.url });
  const catalogue = new EventCatalogue([
    accessRequestEvents,
    grantEvents,
    retrievalSessionEvents,
    playbackEvents,
    clipDecisionEvents,
    personalDataEvents,
    ...foreignEvents,
  ]);
  const store = new SwitchedStore(withCatalogue(postgres, catalogue));
  const keys = new KeyRing(mkdtempSync(join(tmpdir(), 'mingjing-keys-')));
  const vault = new PostgresVault(database.url, keys.secret('vault'), store);
  await vault.start();
  const clock = new ManualClock(AT);
  const app = await openAccess(database.url, store, clock, keys, vault);

  let position = 0n;
  const append = async (stream: string, type: string, data: object) => {
    const actor = { kind: 'system', id: 'city' } as const;
    const metadata = { actor, occurredAt: clock.iso(), rules: [], correlationId: 'c' };
    const events = [{ id: newId(), type, version: 1, data, metadata }];
    ({ position } = await store.append([{ stream, expected: 'any', events }]));
  };
  const send = async (method: 'GET' | 'POST', who: string, path: string, body?: object, headers = {}) => {
    const response = await app.inject({
      method,
      url: `/api/v1/${path}`,
      headers: { authorization: `Bearer ${who}`, 'mingjing-position': String(position), ...headers },
      ...(body === undefined ? {} : { payload: body }),
    });
    const at = response.headers['mingjing-position'];
    if (typeof at === 'string') position = BigInt(at);
    return { status: response.statusCode, body: response.json() as Record<string, string>, headers: response.headers };
  };
  const events = async (stream: string) => {
    const found: RecordedEvent[] = [];
    for await (const event of postgres.readStream(stream)) found.push(event);
    return found;
  };
  const all = async (...categories: string[]) => {
    const found: RecordedEvent[] = [];
    const filter = categories.length === 0 ? {} : { categories };
    for await (const event of postgres.readAll(0n, filter)) found.push(event);
    return found;
  };
  const stop = async () => {
    store.down = false;
    await app.close();
    await vault.stop();
    await postgres.close();
    await database.drop();
  };
  const post = (who: string, path: string, body: object = {}, headers = {}) => send('POST', who, path, body, headers);
  const get = (who: string, path: string) => send('GET', who, path);
  const city = { app, store, vault, clock, append, post, get, events, all, stop };
  await populate(city);
  return city;
}

export type City = Awaited<ReturnType<typeof startAccess>>;

/** Number on the enforcement credential of a person. */
export const credentialNumber = (who: 'li' | 'wang'): string => `黔执法-${who}-0117`;

async function populate({ append, vault }: Pick<City, 'append' | 'vault'>): Promise<void> {
  for (const { organisation } of [people.officer, people.chief, people.stranger]) {
    const { id, kind, level, division } = organisation;
    await append(`organisation-${id}`, 'OrganisationRegistered', { kind, level, division });
  }
  for (const who of ['officer', 'li', 'wang', 'chief'] as const) {
    const { id, organisation } = people[who];
    await append(`person-${id}`, 'PersonRegistered', { organisationId: organisation.id });
  }
  for (const who of ['li', 'wang'] as const) {
    const { id } = people[who];
    const sealed = await vault.seal(id, { 'credential-number': credentialNumber(who) });
    await append(`person-${id}`, 'EnforcementCredentialFiled', {
      credentialId: newId(),
      issuer: 'provincial-government',
      numberCommitment: sealed['credential-number'],
      validFrom: at(-60),
      validTo: at(365 * 24 * 60),
    });
  }
  await append(`apiClient-${ids.client}`, 'ApiClientRegistered', { organisationId: ids.transport });
  for (const [n, { id, division, funding }] of cameras.entries()) {
    await append(`camera-${id}`, 'CameraRegistered', { gbId: `5201030000132000000${n}`, division, funding });
    await append(`cameraFeed-${id}`, 'CameraFeedTaken', { connectionId: newId() });
  }
}
