import { newEvent } from '#libs/event-store';
import { cameraFeedEvents, connectionEvents, IntegrationModule } from '#libs/integration';
import { newId, type Principal, streamName } from '#libs/kernel';
import { MediaPort, mediaRefusals, type ProbeResult, type Source } from '#libs/media';
import { cameraEvents } from '#libs/registry';
import { SecretStore } from '#libs/vault';
import { type OneService, startOneService } from '../../test/services/one-service.js';
import {
  AT,
  auditor,
  bureau,
  clerk,
  connection,
  department,
  NANMING,
  otherClerk,
  probed,
  UNIT,
  unreachable,
} from './integration.fixture.js';

/** Gateway whose streams the spec switches on and off; the real one is put to the test with the media service. */
class SwitchedMedia extends MediaPort {
  readonly probed: Source[] = [];
  reachable = true;

  override async check({ address }: Source): Promise<void> {
    if (!address.includes('//10.')) throw mediaRefusals['media.address-not-allowed']('not a network of cameras');
  }

  override async probe(source: Source): Promise<ProbeResult> {
    this.probed.push(source);
    return this.reachable ? probed : unreachable;
  }
}

class ListedSecrets extends SecretStore {
  readonly kept: Readonly<Record<string, string>>[] = [];

  override async put(secret: Readonly<Record<string, string>>): Promise<string> {
    return `secret-${this.kept.push(secret)}`;
  }

  override async get(): Promise<undefined> {
    return undefined;
  }
}

const officer = bureau(NANMING);
const colleague = bureau(NANMING, 2);

describe('interface connections over HTTP on PostgreSQL', () => {
  const media = new SwitchedMedia();
  const secrets = new ListedSecrets();
  let service: OneService;

  beforeAll(async () => {
    const events = [connectionEvents, cameraFeedEvents, cameraEvents];
    service = await startOneService(IntegrationModule, events, AT, [
      { provide: MediaPort, useValue: media },
      { provide: SecretStore, useValue: secrets },
    ]);
  });
  afterAll(() => service.stop());
  beforeEach(() => {
    media.reachable = true;
    media.probed.length = 0;
  });

  /** A camera as the registry would make it known. */
  const registered = async () => {
    const id = newId();
    const data = {
      systemId: newId(),
      siteId: newId(),
      gbId: '52010200001320000001',
      name: '路口',
      division: NANMING,
      funding: 'government',
      managingUnitId: UNIT,
      purpose: '交通',
      place: 'ordinary',
      position: { longitude: 106.71, latitude: 26.57, heightM: 6 },
      fieldOfView: { azimuthDeg: 0, tiltDeg: 0, horizontalDeg: 90, rangeM: 50 },
      sign: null,
      product: { manufacturer: 'a', model: 'b', certificateNumber: 'c', certificateValidTo: '2027-12-31' },
    };
    const context = { actor: { kind: 'system', id: 'test' }, at: AT, correlationId: 'c', newId } as const;
    const event = newEvent(cameraEvents, { type: 'CameraRegistered', data }, context);
    const { position } = await service.store.append([
      { stream: streamName('camera', id), expected: 'no-stream', events: [event] },
    ]);
    service.saw(position);
    return id;
  };
  const done = async (by: Principal, path: string, body: object = {}) => {
    const answer = await service.post(by, `/api/v1/connections${path}`, body);
    expect([answer.status, answer.body]).toEqual([201, expect.anything()]);
    return answer.body;
  };
  const requested = async (cameraId: string, by = clerk) => (await done(by, '', { ...connection, cameraId })).id;
  const approved = async (cameraId: string) => {
    const id = await requested(cameraId);
    await done(clerk, `/${id}/test`);
    await done(officer, `/${id}/approval`);
    return id;
  };
  const refused = async (by: Principal, path: string, body: object = {}) => {
    const { status, body: problem } = await service.post(by, `/api/v1/connections${path}`, body);
    return [status, problem.code, problem.rules];
  };

  test('gz117:7: a connection goes its way, and each stage is read back', async () => {
    const cameraId = await registered();
    const id = await requested(cameraId);
    const path = `/api/v1/connections/${id}`;
    expect((await service.get(clerk, path)).body).toMatchObject({
      ...connection,
      cameraId,
      status: 'requested',
      hasCredentials: false,
      lastTest: null,
    });
    expect(await refused(officer, `/${id}/opening`)).toEqual([422, 'integration.not-tested', ['gz117:7']]);
    expect(await done(clerk, `/${id}/test`)).toEqual({ id, status: 'security-tested', test: probed });
    expect(await refused(officer, `/${id}/opening`)).toEqual([422, 'integration.not-approved', ['gz117:7']]);
    expect(await refused(bureau('520103'), `/${id}/approval`)).toEqual([
      422,
      'integration.outside-jurisdiction',
      ['gz117:4.2'],
    ]);
    await done(officer, `/${id}/approval`);
    expect(await done(clerk, `/${id}/opening`)).toEqual({ id, status: 'open' });
    await done(officer, `/${id}/suspension`, { reason: '检修' });
    expect((await service.get(clerk, path)).body).toMatchObject({
      status: 'suspended',
      reason: '检修',
      lastTest: probed,
      approvedByBureau: officer.organisation.id,
    });
    await done(officer, `/${id}/opening`);
    await done(officer, `/${id}/closure`, { reason: '拆除' });
    expect((await service.get(auditor, path)).body).toMatchObject({ status: 'closed' });
  });

  test('gz117:7: a failed probe is answered and on record, and opens nothing', async () => {
    media.reachable = false;
    const id = await requested(await registered());
    expect(await done(clerk, `/${id}/test`)).toEqual({ id, status: 'requested', test: unreachable });
    expect(await refused(officer, `/${id}/approval`)).toEqual([422, 'integration.not-tested', ['gz117:7']]);
    media.reachable = true;
    await done(clerk, `/${id}/test`);
    await done(officer, `/${id}/approval`);
    media.reachable = false;
    await done(clerk, `/${id}/test`);
    expect(await refused(officer, `/${id}/opening`)).toEqual([422, 'integration.not-tested', ['gz117:7']]);
    const { body } = await service.get(clerk, `/api/v1/connections/${id}`);
    expect(body).toMatchObject({ status: 'approved', lastTest: unreachable });
  });

  test('nobody makes the hub reach out who may not test', async () => {
    const id = await requested(await registered());
    for (const by of [otherClerk, bureau('520103')]) await refused(by, `/${id}/test`);
    expect(media.probed).toEqual([]);
    await done(clerk, `/${id}/test`);
    expect(media.probed).toEqual([{ protocol: connection.protocol, address: connection.address }]);
  });

  test('gz117:5.2: an address that the gateway may not fetch from is refused, and no secret is kept', async () => {
    const cameraId = await registered();
    const secret = { credentials: { username: 'admin', password: 'of the camera' } };
    const before = secrets.kept.length;
    const metadataService = {
      ...connection,
      cameraId,
      ...secret,
      protocol: 'http',
      address: 'http://169.254.169.254/',
    };
    expect(await refused(clerk, '', metadataService)).toEqual([422, 'media.address-not-allowed', ['gz117:5.2']]);
    expect(await refused(otherClerk, '', { ...connection, cameraId, ...secret })).toEqual([
      403,
      'integration.not-your-unit',
      [],
    ]);
    expect(secrets.kept).toHaveLength(before);
  });

  test('credentials go to the secret store; neither events nor answers show them', async () => {
    const credentials = { username: 'admin', password: 'of the camera' };
    const { id } = await done(clerk, '', { ...connection, cameraId: await registered(), credentials });
    expect(secrets.kept.at(-1)).toEqual(credentials);
    const { body } = await service.get(clerk, `/api/v1/connections/${id}`);
    expect(body.hasCredentials).toBe(true);
    const events: unknown[] = [];
    for await (const { data, metadata } of service.store.readStream(streamName('connection', id))) {
      events.push({ data, metadata });
    }
    expect(events).toHaveLength(1);
    for (const shown of [JSON.stringify(body), JSON.stringify(events)]) {
      expect(shown).not.toContain(credentials.password);
      expect(shown).not.toContain(credentials.username);
    }
    await done(clerk, `/${id}/test`);
    expect(media.probed[0]?.credentialRef).toBe(`secret-${secrets.kept.length}`);
  });

  test('gz117:7: the officer who asked does not approve; his colleague does', async () => {
    const id = await requested(await registered(), officer);
    await done(officer, `/${id}/test`);
    expect(await refused(officer, `/${id}/approval`)).toEqual([422, 'integration.own-request', ['gz117:7']]);
    await done(colleague, `/${id}/approval`);
  });

  test('gz117:5.1: of 8 connections to one camera opened at the same moment exactly one is open', async () => {
    const cameraId = await registered();
    const ids: string[] = [];
    for (let i = 0; i < 8; i += 1) ids.push(await approved(cameraId));
    const open = (id: string) => service.post(officer, `/api/v1/connections/${id}/opening`);
    const answers = await Promise.all(ids.map(open));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(answers.filter(({ body }) => body.code === 'integration.camera-already-connected')).toHaveLength(7);

    // Once the open one is suspended, another one takes the camera, and the suspended one must wait.
    const first = ids[answers.findIndex(({ status }) => status === 201)]!;
    const second = ids.find((id) => id !== first)!;
    await done(officer, `/${first}/suspension`, { reason: '更换' });
    expect((await open(second)).status).toBe(201);
    expect((await open(first)).body.code).toBe('integration.camera-already-connected');
    await done(officer, `/${first}/closure`, { reason: '更换' });
    const { body } = await service.get(clerk, `/api/v1/connections?cameraId=${cameraId}`);
    expect(body.items.filter((c) => c.status === 'open').map((c) => c.id)).toEqual([second]);
  });

  test('gz117:4.2: each sees what is its own or in its jurisdiction; departments see no addresses', async () => {
    const id = await requested(await registered());
    for (const who of [clerk, officer, bureau('52'), auditor]) {
      expect((await service.get(who, `/api/v1/connections/${id}`)).body.id).toBe(id);
    }
    for (const who of [otherClerk, bureau('5203')]) {
      expect((await service.get(who, `/api/v1/connections/${id}`)).status).toBe(404);
      expect((await service.get(who, '/api/v1/connections')).body.items).toEqual([]);
    }
    expect((await service.get(department, '/api/v1/connections')).status).toBe(403);
  });

  test('a camera that is not registered, a connection that nobody asked for: not found', async () => {
    expect(await refused(clerk, '', { ...connection, cameraId: newId() })).toEqual([
      404,
      'integration.no-such-camera',
      [],
    ]);
    for (const act of ['test', 'approval', 'opening']) {
      expect(await refused(officer, `/${newId()}/${act}`)).toEqual([404, 'integration.no-such-connection', []]);
    }
  });
});
