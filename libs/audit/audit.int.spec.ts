import { Module } from '@nestjs/common';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { z } from 'zod';
import {
  type EventStore,
  migrateEventStore,
  PostgresEventStore,
  EventStore as Store,
  withCatalogue,
} from '#libs/event-store';
import { Clock, defineEvents, EventCatalogue, newId, type Principal, type Role, SystemClock } from '#libs/kernel';
import { Authenticator, PlatformModule, platformRefusals, setCommandDigestKey } from '#libs/platform';
import { type FreshDatabase, freshDatabase } from '../../test/services/postgres.js';
import { AuditModule } from './audit.module.js';
import { auditReadingEvents } from './audit-reading.events.js';

const somethingHappened = (category: string) => ({
  data: z.looseObject({}),
  version: 1,
  meaning: [`Something happened to a ${category}`, '发生'] as const,
  since: '0.1',
  rules: [],
});
const categories = ['organisation', 'person', 'camera', 'accessRequest', 'grant', 'retrievalSession', 'playback'];
const catalogue = new EventCatalogue([
  auditReadingEvents,
  ...categories.map((c) => defineEvents('test', c, { [`${c}Happened`]: somethingHappened(c) })),
]);

const [bureau, office, camera, far, request, grant, session, li] = Array.from({ length: 8 }, () => newId());

/** Stand-in for identity: `Bearer <role>-<division>`. */
class RoleAuthenticator extends Authenticator {
  override async authenticate(authorization: string | undefined): Promise<Principal> {
    const [, role, division] = /^Bearer ([a-z-]+)-(\d+)$/.exec(authorization ?? '') ?? [];
    if (role === undefined) throw platformRefusals['platform.unauthenticated']('no token');
    const organisation = {
      id: office!,
      kind: 'audit-office',
      level: 'county',
      division: division!,
      powers: [],
    } as const;
    return { kind: 'person', id: `reader-${division}`, organisation, roles: [role as Role], authenticatedAt: 0 };
  }
}

describe('audit API', () => {
  let database: FreshDatabase;
  let postgres: PostgresEventStore;
  let store: EventStore;
  let app: NestFastifyApplication;
  let failing = false;
  const positions: bigint[] = [];

  const append = async (category: string, id: string, data: object, by = li!) => {
    const actor = { kind: 'person', id: by, organisationId: bureau! } as const;
    const metadata = {
      actor,
      occurredAt: '2026-03-01T00:00:00.000Z',
      rules: ['gz117:15.3' as const],
      correlationId: 'c',
    };
    const events = [{ id: newId(), type: `${category}Happened`, version: 1, data, metadata }];
    positions.push((await store.append([{ stream: `${category}-${id}`, expected: 'any', events }])).position);
  };
  const get = async (who: string, path: string) => {
    const headers = { authorization: `Bearer ${who}` };
    const response = await app.inject({ method: 'GET', url: `/api/v1/audit/${path}`, headers });
    const body = response.json();
    const streams = (body.items ?? []).map(({ stream }: { stream: string }) => stream.split('-')[0]);
    return { status: response.statusCode, body, streams };
  };
  const readings = async () => {
    const found = [];
    for await (const { data } of postgres.readStream('auditReading-reader-5201')) found.push(data);
    return found;
  };

  beforeAll(async () => {
    setCommandDigestKey(new Uint8Array(32).fill(5));
    database = await freshDatabase();
    await migrateEventStore(database.ownerUrl, database.serviceRole);
    postgres = new PostgresEventStore({ url: database.url });
    store = withCatalogue(postgres, catalogue);
    const appendTo = store.append.bind(store);
    store.append = async (appends) => {
      if (failing) throw new Error('connect ECONNREFUSED');
      return appendTo(appends);
    };
    const platform = PlatformModule.forRoot([
      { provide: Store, useValue: store },
      { provide: EventCatalogue, useValue: catalogue },
      { provide: Clock, useClass: SystemClock },
      { provide: Authenticator, useClass: RoleAuthenticator },
    ]);
    @Module({ imports: [platform, AuditModule] })
    class OfficeModule {}
    const module = await Test.createTestingModule({ imports: [OfficeModule] }).compile();
    module.useLogger(false);
    app = module.createNestApplication<NestFastifyApplication>(new FastifyAdapter());
    await app.init();
    await app.getHttpAdapter().getInstance().ready();

    await append('organisation', bureau!, { division: '5201' });
    await append('person', li!, { organisationId: bureau });
    await append('camera', camera!, { division: '520103' });
    await append('camera', far!, { division: '520302' });
    const named = { divisions: ['520103', '520302'], cameraIds: [camera, far] };
    await append('accessRequest', request!, { ...named, caseNumber: '黔交执17号' });
    await append('grant', grant!, { ...named, requestId: request, caseNumber: '黔交执17号' });
    await append('retrievalSession', session!, { grantId: grant, divisions: ['520103', '520302'] });
    await append('playback', newId(), { grantId: grant, cameraId: camera });
    await append('playback', newId(), { grantId: grant, cameraId: far });
    await append('retrievalSession', session!, { closed: true });
  });
  afterAll(async () => {
    await app.close();
    await postgres.close();
    await database.drop();
  });

  const chain = ['accessRequest', 'grant', 'retrievalSession', 'playback', 'playback', 'retrievalSession'];

  test('a case from request to close, each row with its meaning, actor and rules', async () => {
    const { status, body, streams } = await get('auditor-52', `cases/${encodeURIComponent('黔交执17号')}/history`);
    expect([status, streams]).toEqual([200, chain]);
    expect(body.items[0]).toMatchObject({
      type: 'accessRequestHappened',
      meaning: { en: 'Something happened to a accessRequest', zh: '发生' },
      actor: { kind: 'person', id: li },
      rules: ['gz117:15.3'],
      stream: `accessRequest-${request}`,
      revision: '0',
    });
    expect(body.nextAfter).toBeNull();
  });

  test('a grant from its request on; a camera; a person', async () => {
    expect((await get('auditor-52', `grants/${grant}/history`)).streams).toEqual(chain);
    expect((await get('auditor-52', `cameras/${camera}/history`)).streams).toEqual([
      'camera',
      'accessRequest',
      'grant',
      'playback',
    ]);
    const ofLi = await get('psb-responsible-person-52', `persons/${li}/history`);
    expect(ofLi.streams).toEqual(['organisation', 'person', 'camera', 'camera', ...chain]);
  });

  test('as of a position or a moment: what the record said then', async () => {
    const before = positions.at(-3)!;
    const path = `grants/${grant}/history`;
    expect((await get('auditor-52', `${path}?asOf=${before}`)).streams).toEqual(chain.slice(0, 4));
    const { body } = await get('auditor-52', path);
    const time = encodeURIComponent(body.items[2].time);
    const then = await get('auditor-52', `${path}?asOf=${time}`);
    expect(then.streams.slice(0, 3)).toEqual(chain.slice(0, 3));
    expect(then.body.items.every((row: { time: string }) => row.time <= body.items[2].time)).toBe(true);
    expect((await get('auditor-52', `${path}?asOf=2010-12-01T00:00:00Z`)).streams).toEqual([]);
    expect((await get('auditor-52', `${path}?asOf=99999999`)).body.code).toBe('audit.as-of-in-future');
    expect((await get('auditor-52', `${path}?asOf=yesterday`)).status).toBe(400);
  });

  test('page by page gives what one page gives', async () => {
    const found: string[] = [];
    let after: string | null = '0';
    for (let pages = 0; after !== null && pages < 10; pages += 1) {
      const { body, streams } = await get('auditor-52', `grants/${grant}/history?limit=2&after=${after}`);
      expect(streams.length).toBeLessThanOrEqual(2);
      found.push(...streams);
      after = body.nextAfter;
    }
    expect(found).toEqual(chain);
    expect((await get('auditor-52', `grants/${grant}/history?limit=501`)).status).toBe(400);
  });

  test('a reader sees what concerns the own jurisdiction only (gz117:4.2)', async () => {
    const near = await get('auditor-520103', `grants/${grant}/history`);
    expect(near.streams).toEqual(['accessRequest', 'grant', 'retrievalSession', 'playback', 'retrievalSession']);
    expect((await get('auditor-5203', `cameras/${camera}/history`)).body).toMatchObject({
      code: 'audit.outside-jurisdiction',
      rules: ['gz117:4.2'],
    });
    expect((await get('auditor-5204', `grants/${grant}/history`)).status).toBe(403);
    expect((await get('auditor-5204', `cases/${encodeURIComponent('黔交执17号')}/history`)).streams).toEqual([]);
    expect((await get('auditor-5204', `persons/${li}/history`)).streams).toEqual([]);
  });

  test('what nobody knows is not found; other roles and strangers learn nothing', async () => {
    for (const kind of ['cameras', 'persons', 'grants']) {
      expect((await get('auditor-52', `${kind}/${newId()}/history`)).body.code).toBe('audit.no-such-subject');
    }
    for (const who of ['hub-operator-52', 'department-officer-52', 'psb-filing-officer-52']) {
      expect((await get(who, `grants/${grant}/history`)).status).toBe(403);
    }
    expect((await get('nobody', `grants/${grant}/history`)).status).toBe(401);
  });

  test('a reading is on record before the answer; what cannot be recorded is not answered', async () => {
    const before = (await readings()).length;
    expect((await get('auditor-5201', `cameras/${camera}/history`)).status).toBe(200);
    expect((await readings()).slice(before)).toMatchObject([{ subject: { kind: 'camera', id: camera }, after: '0' }]);

    failing = true;
    const { status, body } = await get('auditor-5201', `cameras/${camera}/history`);
    failing = false;
    expect([status, body.code, body.items]).toEqual([503, 'platform.unavailable', undefined]);
    expect(await readings()).toHaveLength(before + 1);
    expect((await get('auditor-5201', 'persons/reader-5201/history')).status).toBe(400);
  });
});
