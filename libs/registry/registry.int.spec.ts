import { z } from 'zod';
import { newEvent } from '#libs/event-store';
import { defineEvents, type Principal, streamName } from '#libs/kernel';
import { cameraEvents, gbDeviceEvents, RegistryModule, siteEvents, videoSystemEvents } from '#libs/registry';
import { PROHIBITED_PLACES } from '#libs/regulation';
import { type OneService, startOneService } from '../../test/services/one-service.js';
import {
  AT,
  acceptanceRequest,
  auditor,
  bureau,
  camera,
  clerk,
  construction,
  department,
  documents,
  NANMING,
  otherClerk,
  passed,
  plan,
  UNIT,
} from './registry.fixture.js';

const declared = (category: string, ...types: string[]) =>
  defineEvents(
    'other',
    category,
    Object.fromEntries(
      types.map((type) => [type, { data: z.any(), version: 1, meaning: ['', ''], since: '0.1', rules: [] }]),
    ),
  );
/** Events of other services that the register learns from. */
const organisationEvents = declared('organisation', 'OrganisationRegistered');
const feedEvents = declared('cameraFeed', 'CameraFeedTaken', 'CameraFeedReleased');
const officer = bureau(NANMING);

describe('the register over HTTP on PostgreSQL', () => {
  let service: OneService;
  let serial = 0;

  const elsewhere = async (events: typeof organisationEvents, id: string, type: string) => {
    const context = { actor: { kind: 'system', id: 'test' }, at: AT, correlationId: 'c', newId: () => id } as const;
    const stream = streamName(events.category, id);
    const event = newEvent(events, { type, data: {} }, context);
    const { position } = await service.store.append([{ stream, expected: 'any', events: [event] }]);
    service.saw(position);
  };

  beforeAll(async () => {
    service = await startOneService(
      RegistryModule,
      [siteEvents, videoSystemEvents, cameraEvents, gbDeviceEvents, organisationEvents, feedEvents],
      AT,
    );
    for (const id of [UNIT, otherClerk.organisation.id]) {
      await elsewhere(organisationEvents, id, 'OrganisationRegistered');
    }
  });
  afterAll(() => service.stop());

  const site = (change: object = {}) => ({
    name: '南明大道路口',
    category: 'gz117:8.1(8)',
    division: NANMING,
    managingUnitId: UNIT,
    ...change,
  });
  /** Sends a request that must succeed. */
  const done = async (by: Principal, path: string, body: object = {}) => {
    const answer = await service.post(by, path, body);
    expect([answer.status, answer.body]).toEqual([201, expect.anything()]);
    return answer.body;
  };
  const planned = async (change: object = {}) => {
    const { id: siteId } = await done(clerk, '/api/v1/sites', site());
    return (await done(clerk, '/api/v1/video-systems', { ...plan, ...change, siteId })).id as string;
  };
  const underConstruction = async (change: object = {}) => {
    const id = await planned(change);
    await done(clerk, `/api/v1/video-systems/${id}/design-scheme`, { documents });
    await done(clerk, `/api/v1/video-systems/${id}/construction`, construction);
    return id;
  };
  const newCamera = (systemId: string, change: object = {}) => {
    serial += 1;
    return { ...camera, systemId, gbId: `52010200001320${String(serial).padStart(6, '0')}`, ...change };
  };

  test('a system goes from plan to operation, and each stage is read back', async () => {
    const id = await underConstruction();
    const path = `/api/v1/video-systems/${id}`;
    const early = await service.post(clerk, `${path}/operation`);
    expect([early.status, early.body.code, early.body.rules]).toEqual([422, 'registry.not-accepted', ['gz117:13.2']]);

    await done(clerk, `${path}/acceptance-request`, acceptanceRequest);
    const alone = await service.post(clerk, `${path}/acceptance`, passed);
    expect([alone.status, alone.body.rules]).toEqual([422, ['gz117:13.2']]);
    const foreign = await service.post(bureau('520103'), `${path}/acceptance`, passed);
    expect([foreign.status, foreign.body.rules]).toEqual([422, ['gz117:4.2']]);
    await done(officer, `${path}/acceptance`, { ...passed, result: 'failed', reason: '模糊', rectifyBy: '2026-04-01' });
    expect((await service.get(clerk, path)).body).toMatchObject({ status: 'rectifying', rectifyBy: '2026-04-01' });

    await done(clerk, `${path}/acceptance-request`, acceptanceRequest);
    await done(officer, `${path}/acceptance`, passed);
    expect(await done(clerk, `${path}/operation`)).toEqual({ id, status: 'in-operation' });
    await done(clerk, `${path}/interruption`, { reason: '检修' });
    await done(clerk, `${path}/resumption`);
    const { body } = await service.get(clerk, path);
    expect(body).toMatchObject({
      id,
      status: 'in-operation',
      rectifyBy: null,
      division: NANMING,
      builder: plan.builder,
    });
    await done(clerk, `${path}/decommissioning`, { reason: '拆迁' });
  });

  test('gz117:9.1: an attempt at each prohibited place is refused by its item and is on record once', async () => {
    const systemId = await underConstruction();
    for (const { id: rule, place } of PROHIBITED_PLACES) {
      const body = newCamera(systemId, { place });
      const headers = { 'idempotency-key': `prohibited-${place}` };
      for (let time = 0; time < 2; time += 1) {
        const answer = await service.post(clerk, '/api/v1/cameras', body, headers);
        expect([answer.status, answer.body.code, answer.body.rules]).toEqual([
          422,
          `registry.prohibited-${place}`,
          [rule],
        ]);
      }
    }
    const recorded: unknown[] = [];
    for await (const { data, metadata } of service.store.readAll(0n, { types: ['CameraRegistrationRefused'] })) {
      recorded.push([(data as { place: string }).place, metadata.rules[0], metadata.refusal, metadata.actor.id]);
    }
    expect(recorded).toEqual(
      PROHIBITED_PLACES.map(({ id, place }) => [place, id, `registry.prohibited-${place}`, clerk.id]),
    );
    const { body } = await service.get(clerk, `/api/v1/cameras?systemId=${systemId}`);
    expect(body.items).toEqual([]);
  });

  test('gz117:5.1: of 20 registrations of one GB id at the same moment exactly one wins', async () => {
    const systemId = await underConstruction();
    const body = newCamera(systemId);
    const answers = await Promise.all(Array.from({ length: 20 }, () => service.post(clerk, '/api/v1/cameras', body)));
    const won = answers.filter(({ status }) => status === 201);
    const lost = answers.filter(({ status }) => status === 409);
    expect([won.length, lost.length]).toEqual([1, 19]);
    expect(new Set(lost.map((answer) => answer.body.code))).toEqual(new Set(['registry.gb-id-taken']));
    const { body: list } = await service.get(clerk, `/api/v1/cameras?systemId=${systemId}`);
    expect(list.items.map((c) => c.id)).toEqual([won[0]!.body.id]);
    const later = await service.post(officer, '/api/v1/cameras', body);
    expect(later.body.code).toBe('registry.gb-id-taken');
  });

  test('control: 20 registrations of different GB ids at the same moment all stand', async () => {
    const systemId = await underConstruction();
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => service.post(clerk, '/api/v1/cameras', newCamera(systemId))),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(20);
  });

  test('a repeated request with its Idempotency-Key registers one camera and answers the same', async () => {
    const body = newCamera(await underConstruction());
    const headers = { 'idempotency-key': 'the-same-again' };
    const first = await service.post(clerk, '/api/v1/cameras', body, headers);
    const again = await service.post(clerk, '/api/v1/cameras', body, headers);
    expect([first.status, again.status, again.body]).toEqual([201, 201, first.body]);
  });

  test('gz117:7: departments see integrated government-funded cameras, and only where they are', async () => {
    const shared = (await done(clerk, '/api/v1/cameras', newCamera(await underConstruction()))).id as string;
    const idle = (await done(clerk, '/api/v1/cameras', newCamera(await underConstruction()))).id as string;
    const other = await underConstruction({ funding: 'other' });
    const unfunded = (await done(clerk, '/api/v1/cameras', newCamera(other))).id as string;
    for (const id of [shared, unfunded]) await elsewhere(feedEvents, id, 'CameraFeedTaken');

    const { body } = await service.get(department, '/api/v1/cameras');
    expect(body.items).toEqual([{ id: shared, name: camera.name, division: NANMING, position: camera.position }]);
    expect((await service.get(department, `/api/v1/cameras/${shared}`)).body).toEqual(body.items[0]);
    for (const id of [idle, unfunded])
      expect((await service.get(department, `/api/v1/cameras/${id}`)).status).toBe(404);
    for (const path of ['/api/v1/sites', '/api/v1/video-systems']) {
      expect((await service.get(department, path)).status).toBe(403);
    }
    expect((await service.get(clerk, `/api/v1/cameras/${shared}`)).body).toMatchObject({
      integrated: true,
      managingUnitId: UNIT,
    });

    await elsewhere(feedEvents, shared, 'CameraFeedReleased');
    expect((await service.get(department, '/api/v1/cameras')).body.items).toEqual([]);
  });

  test('gz117:4.2: each sees what is its own or in its jurisdiction, page by page', async () => {
    for (let i = 0; i < 5; i += 1) await done(clerk, '/api/v1/sites', site());
    const all = (await service.get(clerk, '/api/v1/sites?limit=100')).body.items;
    const seen: unknown[] = [];
    let cursor: string | null = null;
    do {
      const { body } = await service.get(auditor, `/api/v1/sites?limit=2${cursor === null ? '' : `&cursor=${cursor}`}`);
      expect(body.items.length).toBeLessThanOrEqual(2);
      seen.push(...body.items);
      cursor = body.nextCursor;
    } while (cursor !== null);
    expect(seen).toEqual(all);

    const id = all[0]?.id;
    for (const who of [officer, bureau('5201'), auditor]) {
      expect((await service.get(who, `/api/v1/sites/${id}`)).body).toMatchObject({ id, managingUnitId: UNIT });
      expect((await service.get(who, `/api/v1/sites?division=5201`)).body.items).not.toEqual([]);
      expect((await service.get(who, `/api/v1/sites?division=5203`)).body.items).toEqual([]);
    }
    for (const who of [otherClerk, bureau('520103'), bureau('5203')]) {
      expect((await service.get(who, `/api/v1/sites/${id}`)).status).toBe(404);
      expect((await service.get(who, '/api/v1/sites?division=5201')).body.items).toEqual([]);
    }
    expect((await service.get(clerk, '/api/v1/sites?limit=101')).status).toBe(400);
  });

  test('what does not exist is not found, and strangers learn nothing', async () => {
    const nowhere = '99999999-9999-4999-8999-999999999999';
    const codes = async (path: string, body: object) => (await service.post(clerk, path, body)).body.code;
    expect(await codes('/api/v1/video-systems', { ...plan, siteId: nowhere })).toBe('registry.no-such-site');
    expect(await codes('/api/v1/cameras', newCamera(nowhere))).toBe('registry.no-such-system');
    expect(await codes('/api/v1/sites', site({ managingUnitId: nowhere }))).toBe('registry.no-such-organisation');
    expect(await codes(`/api/v1/video-systems/${nowhere}/operation`, {})).toBe('registry.no-such-system');
    expect((await service.get(clerk, '/api/v1/sites/not-an-id')).status).toBe(400);
    expect((await service.post(undefined, '/api/v1/sites', { nonsense: true })).status).toBe(401);
    expect((await service.post(auditor, '/api/v1/sites', site())).status).toBe(403);
  });
});
