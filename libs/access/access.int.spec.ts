import { createPublicKey, verify } from 'node:crypto';
import { AccessPort, type TicketClaims } from '#libs/media';
import { ask, at, certificateSha256, entry, ids, people, shareAsk } from './access.fixture.js';
import { type City, credentialNumber, startAccess } from './access.int.fixture.js';
import { UNDERTAKING } from './retrieval-session/undertaking.js';

describe('access on a real event store and read model', () => {
  let city: City;
  let port: AccessPort;

  beforeEach(async () => {
    city = await startAccess();
    port = city.app.get(AccessPort);
  });
  afterEach(() => city.stop());

  const ok = async (answer: ReturnType<City['post']>) => {
    const { status, body } = await answer;
    expect([status, body]).toEqual([status < 300 ? status : 'success', body]);
    return body;
  };
  const granted = async (by: string, wanted: object) => {
    const { id } = await ok(city.post(by, 'access-requests', wanted));
    const { grantId } = await ok(city.post('chief', `access-requests/${id}/approval`));
    return { id: id!, grantId: grantId! };
  };
  const sessionOf = async (grantId: string) => {
    const { id } = await ok(city.post('li', 'retrieval-sessions', { grantId }));
    const at = `retrieval-sessions/${id}`;
    for (const who of ['li', 'wang'] as const) {
      await ok(city.post(who, `${at}/check-ins`, { credentialNumber: credentialNumber(who) }));
      await ok(city.post(who, `${at}/undertakings`, { textSha256: UNDERTAKING.sha256 }));
    }
    await ok(city.post('li', `${at}/approval-document`, { sha256: certificateSha256 }));
    await ok(city.post('li', `${at}/register-entry`, entry));
    await ok(city.post('li', `${at}/start`));
    return id!;
  };
  const range = { mode: 'recorded', from: '2026-03-01T08:30:00.000Z', to: '2026-03-01T09:00:00.000Z' };
  const playable = async () => {
    const { grantId } = await granted('officer', ask);
    const sessionId = await sessionOf(grantId);
    return { grantId, sessionId, cameraId: ids.camera, ...range };
  };
  const claimsOf = (ticket: string) =>
    JSON.parse(Buffer.from(ticket.split('.')[1]!, 'base64url').toString()) as TicketClaims;

  test('from request to ticket: decided, recorded, then signed', async () => {
    const wanted = await playable();
    const played = await city.post('li', 'playbacks', wanted);
    expect(played.status).toBe(201);
    const { playbackId, ticket, expiresAt, url } = played.body;

    const [event, ...others] = await city.events(`playback-${playbackId}`);
    expect(others).toEqual([]);
    expect(event).toMatchObject({ type: 'PlaybackAuthorised', data: { ...wanted, until: at(12 * 60) } });
    expect(event?.metadata.rules).toEqual(['gz117:15.3']);
    expect(BigInt(played.headers['mingjing-position'] as string)).toBe(event?.position);

    const [header, body, signature] = (ticket as string).split('.');
    const [jwk] = await port.ticketKeys();
    const key = createPublicKey({ key: jwk!, format: 'jwk' });
    expect(verify(null, Buffer.from(`${header}.${body}`), key, Buffer.from(signature!, 'base64url'))).toBe(true);
    const { pid, sub, gid, cam, exp, iat } = claimsOf(ticket!);
    expect({ pid, sub, gid, cam }).toEqual({ pid: playbackId, sub: ids.li, gid: wanted.grantId, cam: ids.camera });
    expect(exp - iat).toBe(60);
    expect(expiresAt).toBe(at(1));
    expect(url).toContain(playbackId);
  });

  test('an attempt outside the window gets no ticket and is on record (gz117:18(3))', async () => {
    const wanted = { ...(await playable()), to: '2026-03-01T10:00:00.001Z' };
    const { status, body } = await city.post('li', 'playbacks', wanted);
    expect([status, body.code, body.rules, body.ticket]).toEqual([
      422,
      'access.outside-window',
      ['gz117:18(3)'],
      undefined,
    ]);
    const [denied] = await city.all('playback');
    expect(denied).toMatchObject({
      type: 'PlaybackDenied',
      data: { ...wanted, refusal: 'access.outside-window', holder: { kind: 'person', id: ids.li } },
      metadata: { refusal: 'access.outside-window', actor: { id: ids.li } },
    });
  });

  test('when the decision cannot be recorded there is no ticket, new or renewed', async () => {
    const wanted = await playable();
    const { playbackId } = await ok(city.post('li', 'playbacks', wanted));

    city.store.readOnly = true;
    const unrecorded = await city.post('li', 'playbacks', wanted);
    expect([unrecorded.status, unrecorded.body.ticket]).toEqual([503, undefined]);
    expect(await city.all('playback')).toHaveLength(1);
    await expect(port.start(playbackId!, claimsOf((await ticketOf(playbackId!)) ?? ''))).rejects.toThrow(
      'command.outcome-unknown',
    );

    city.store.down = true;
    for (const path of ['playbacks', `playbacks/${playbackId}/ticket`]) {
      const { status, body } = await city.post('li', path, path === 'playbacks' ? wanted : {});
      expect([status, body.code, body.ticket]).toEqual([503, 'platform.unavailable', undefined]);
    }
    await expect(port.recheck([])).rejects.toThrow('ECONNREFUSED');
    await expect(port.recheck([playbackId!])).rejects.toThrow();

    // Control: the same calls succeed once the store is back.
    city.store.down = false;
    city.store.readOnly = false;
    expect((await city.post('li', 'playbacks', wanted)).status).toBe(201);
    expect(await port.recheck([playbackId!])).toEqual({ stillAllowed: [playbackId] });
  });
  const ticketOf = async (playbackId: string) => (await ok(city.post('li', `playbacks/${playbackId}/ticket`))).ticket;

  test('start and stop are on record once; revocation ends what plays and what would be renewed', async () => {
    const wanted = await playable();
    const { playbackId, ticket } = await ok(city.post('li', 'playbacks', wanted));
    await port.start(playbackId!, claimsOf(ticket!));
    await port.start(playbackId!, claimsOf(ticket!));
    await expect(port.start(playbackId!, { ...claimsOf(ticket!), cam: ids.camera2 })).rejects.toThrow(
      'no-such-playback',
    );
    const { playbackId: other } = await ok(city.post('wang', 'playbacks', wanted));
    await port.stopped(other!, 'idle', []);
    expect(await port.recheck([playbackId!, other!])).toEqual({ stillAllowed: [playbackId] });

    await ok(city.post('chief', `grants/${wanted.grantId}/revocation`, { reason: 'case closed' }));
    expect(await port.recheck([playbackId!])).toEqual({ stillAllowed: [] });
    const renewal = await city.post('li', `playbacks/${playbackId}/ticket`);
    expect([renewal.status, renewal.body.code]).toEqual([422, 'access.grant-revoked']);
    expect((await city.post('li', 'playbacks', wanted)).body.code).toBe('access.grant-revoked');

    await port.stopped(playbackId!, 'revoked', [{ from: range.from, to: range.to }]);
    await port.stopped(playbackId!, 'revoked', []);
    const types = (await city.events(`playback-${playbackId}`)).map(({ type }) => type);
    expect(types).toEqual(['PlaybackAuthorised', 'PlaybackStarted', 'PlaybackStopped']);
  });

  test('nobody but the holder renews a ticket', async () => {
    const { playbackId } = await ok(city.post('li', 'playbacks', await playable()));
    for (const who of ['wang', 'stranger', 'chief']) {
      expect((await city.post(who, `playbacks/${playbackId}/ticket`)).status).toBe(404);
    }
  });

  test('a closed session, a deactivated investigator or a withdrawn credential ends what plays', async () => {
    const wanted = await playable();
    const { playbackId } = await ok(city.post('li', 'playbacks', wanted));
    const [filed] = (await city.events(`person-${ids.wang}`)).filter((e) => e.type === 'EnforcementCredentialFiled');
    const { credentialId } = filed!.data as { credentialId: string };
    await city.append(`person-${ids.wang}`, 'EnforcementCredentialWithdrawn', { credentialId });
    expect((await city.post('li', 'playbacks', wanted)).body.code).toBe('access.credential-unknown');
    expect(await port.recheck([playbackId!])).toEqual({ stillAllowed: [] });
    await ok(city.post('li', `retrieval-sessions/${wanted.sessionId}/closure`, { disposition: 'nothing-copied' }));
    expect((await city.post('li', 'playbacks', wanted)).body.code).toBe('access.session-not-started');
  });

  test('a standing share: the client asks, watches with its own token, until the feed or the share ends', async () => {
    const { decidingOrganisationId, acts, cameraIds, live, validFrom, validTo, purpose, basis } = shareAsk;
    const wanted = { basis, acts, cameraIds, live, validFrom, validTo, purpose, decidingOrganisationId };
    const { grantId } = await granted('client', wanted);
    const watch = { grantId, cameraId: ids.camera, mode: 'live' };
    const { playbackId, ticket } = await ok(city.post('client', 'playbacks', watch));
    await port.start(playbackId!, claimsOf(ticket!));
    city.clock.advance(50_000);
    const renewed = await ok(city.post('client', `playbacks/${playbackId}/ticket`));
    expect(Date.parse(renewed.expiresAt!)).toBe(city.clock.now() + 60_000);

    await city.append(`cameraFeed-${ids.camera}`, 'CameraFeedReleased', { connectionId: ids.stranger });
    expect((await city.post('client', 'playbacks', watch)).body.code).toBe('access.connection-closed');
    expect(await port.recheck([playbackId!])).toEqual({ stillAllowed: [] });

    const again = await city.post('client', 'access-requests', wanted);
    expect([again.status, again.body.code, again.body.rules]).toEqual([422, 'access.not-integrated', ['gz117:7']]);
  });

  test('an export is decided on the act and the window, and says where the clip goes (gz117:16(4))', async () => {
    const { grantId, sessionId, cameraId } = await playable();
    const clip = { clipId: ids.playback, grantId, sessionId, cameraId, from: range.from, to: range.to };
    const principal = people.li;
    const actor = { kind: 'person', id: ids.li } as const;
    const context = { principal, actor, at: city.clock.iso(), correlationId: 'c', newId: () => ids.stranger };
    expect(await port.authoriseExport(clip, context)).toMatchObject({
      organisationId: ids.transport,
      basis: 'gz117:15.3',
      destination: entry.destination,
      gbDeviceId: '52010300001320000000',
    });
    const late = { ...clip, clipId: ids.stranger, to: '2026-03-01T10:30:00.000Z' };
    await expect(port.authoriseExport(late, context)).rejects.toThrow('access.outside-window');
    const types = (await city.all('clipDecision')).map(({ type }) => type);
    expect(types).toEqual(['ClipAuthorised', 'ClipDenied']);
  });

  test('requests, grants and sessions are seen by their organisation, its bureau, and nobody else', async () => {
    const { id, grantId } = await granted('officer', ask);
    const session = await ok(city.post('li', 'retrieval-sessions', { grantId }));
    const paths = [`access-requests/${id}`, `grants/${grantId}`, `retrieval-sessions/${session.id}`];
    for (const path of paths) {
      for (const who of ['officer', 'chief']) expect((await city.get(who, path)).status).toBe(200);
      expect((await city.get('stranger', path)).status).toBe(404);
    }
    expect((await city.get('officer', paths[0]!)).body).toMatchObject({ status: 'approved', approval: { grantId } });
    expect((await city.get('officer', paths[1]!)).body).toMatchObject({
      status: 'issued',
      inForce: true,
      requestId: id,
    });
    const { body } = await city.get('li', paths[2]!);
    expect(body).toMatchObject({ status: 'preparing', undertaking: { sha256: UNDERTAKING.sha256 } });
    expect((body.unmet as unknown as { code: string }[]).map(({ code }) => code)).toEqual([
      'access.too-few-investigators',
      'access.approval-document-missing',
      'access.register-entry-incomplete',
      'access.undertaking-missing',
    ]);
    for (const list of ['access-requests', 'grants', 'retrieval-sessions']) {
      expect((await city.get('chief', list)).body.items).toHaveLength(1);
      expect((await city.get('stranger', list)).body.items).toHaveLength(0);
    }
    expect((await city.get('chief', 'grants?status=revoked')).body.items).toHaveLength(0);
  });

  test('an approval repeated under the same key grants once; the grant is never without its approval', async () => {
    const { id } = await ok(city.post('officer', 'access-requests', ask));
    const key = { 'idempotency-key': 'approve-once' };
    const first = await ok(city.post('chief', `access-requests/${id}/approval`, {}, key));
    const second = await ok(city.post('chief', `access-requests/${id}/approval`, {}, key));
    expect(second.grantId).toBe(first.grantId);
    expect((await city.post('chief', `access-requests/${id}/approval`)).body.code).toBe('access.request-decided');
    const [approval] = (await city.all('accessRequest')).filter(({ type }) => type === 'AccessApproved');
    const grants = await city.all('grant');
    expect(grants.map(({ type, position }) => [type, position])).toEqual([['GrantIssued', approval!.position + 1n]]);
  });

  test('no credential number, in clear, stands in any event', async () => {
    await playable();
    const text = JSON.stringify((await city.all()).map(({ data, metadata }) => ({ data, metadata })));
    expect(text).not.toContain('黔执法');
    expect(text).toContain('hmac-sha256:');
  });
});
