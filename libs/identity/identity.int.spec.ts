import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateSync } from 'otplib';
import pg from 'pg';
import { EventStore } from '#libs/event-store';
import {
  AdministratorBootstrap,
  apiClientEvents,
  IdentityModule,
  IdentityPort,
  organisationEvents,
  personEvents,
  signInEvents,
} from '#libs/identity';
import { newId, type Principal, type Role, streamName } from '#libs/kernel';
import { DATABASE_URL, HUB_CONFIG, readConfig } from '#libs/platform';
import { KeyRing, PostgresVault, personalDataEvents, Vault } from '#libs/vault';
import { type OneService, startOneService } from '../../test/services/one-service.js';
import { CredentialStore } from './sign-in/credential-store.js';

const AT = '2026-03-01T02:00:00.000Z';
const NAME = '王晓明';
const PHONE = '13985012345';
const NUMBER = '黔A-5201-000123';
const folder = mkdtempSync(join(tmpdir(), 'mingjing-identity-'));

const someone = (role: Role, division = '52', kind: Principal['organisation']['kind'] = 'government'): Principal => ({
  kind: 'person',
  id: newId(),
  organisation: { id: newId(), kind, level: 'province', division, powers: [] },
  roles: [role],
  authenticatedAt: Date.parse(AT),
});
const operator = someone('hub-operator');
const bureau = (division: string) => someone('psb-filing-officer', division, 'public-security-organ');
const guiyang = bureau('5201');
const auditor = someone('auditor', '52', 'audit-office');

describe('identity over HTTP on PostgreSQL', () => {
  const keys = new KeyRing(join(folder, 'keys'));
  let service: OneService;
  let vault: PostgresVault;
  let databaseUrl: string;

  beforeAll(async () => {
    service = await startOneService(
      IdentityModule,
      [organisationEvents, personEvents, apiClientEvents, signInEvents, personalDataEvents],
      AT,
      [
        { provide: HUB_CONFIG, useValue: readConfig({}) },
        { provide: KeyRing, useValue: keys },
        {
          provide: Vault,
          inject: [DATABASE_URL, EventStore],
          useFactory: async (url: string, store: EventStore) => {
            databaseUrl = url;
            vault = new PostgresVault(url, keys.secret('vault'), store);
            await vault.start();
            return vault;
          },
        },
      ],
    );
  });
  afterAll(async () => {
    await vault?.stop();
    await service?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const done = async (by: Principal, path: string, body: object = {}) => {
    const answer = await service.post(by, `/api/v1/${path}`, body);
    expect([answer.status, answer.body]).toEqual([201, expect.anything()]);
    return answer.body;
  };
  const refused = async (by: Principal | undefined, path: string, body: object = {}) => {
    const { status, body: problem } = await service.post(by, `/api/v1/${path}`, body);
    return [status, problem.code];
  };
  /** Sends what has no method of its own in {@link OneService}. */
  const send = async (method: 'DELETE' | 'PUT', by: Principal, path: string, payload?: object) => {
    await service.get(by, '/api/v1/me');
    const authorization = `Bearer ${by.id}`;
    const answer = await service.app.inject({
      method,
      url: `/api/v1/${path}`,
      headers: { authorization },
      ...(payload === undefined ? {} : { payload }),
    });
    const written = answer.headers['mingjing-position'];
    if (typeof written === 'string') service.saw(BigInt(written));
    return { status: answer.statusCode, body: answer.json() };
  };
  const department = (change: object = {}) =>
    done(operator, 'organisations', {
      name: '贵阳市交通委员会',
      kind: 'administrative-department',
      level: 'prefecture',
      division: '5201',
      ...change,
    });
  const person = async (organisationId: string) =>
    done(operator, 'people', { organisationId, name: NAME, phone: PHONE });
  const events = async (category: string, id: string) => {
    const found = [];
    for await (const event of service.store.readStream(streamName(category, id))) found.push(event);
    return found;
  };
  const credential = {
    number: NUMBER,
    issuer: 'provincial-government',
    issuerName: '贵州省人民政府',
    validFrom: '2025-01-01T00:00:00.000Z',
    validTo: '2028-01-01T00:00:00.000Z',
  };

  test('organisations come with division and superior, gain and lose powers, and are read back', async () => {
    const parent = await department({ name: '贵州省交通运输厅', level: 'province', division: '52' });
    const { id } = await department({ parentId: parent.id });
    const law = { power: 'law-enforcement', instrument: '中华人民共和国公路法 第八条' };
    await done(operator, `organisations/${id}/powers`, law);
    const read = async () => (await service.get(auditor, `/api/v1/organisations/${id}`)).body;
    expect(await read()).toMatchObject({ id, division: '5201', parentId: parent.id, powers: [law] });
    expect((await send('DELETE', operator, `organisations/${id}/powers/law-enforcement`)).status).toBe(200);
    expect((await read()).powers).toEqual([]);
    const list = await service.get(auditor, '/api/v1/organisations?division=5201&kind=administrative-department');
    expect(list.body.items.map((item) => item.id)).toEqual([id]);
  });

  test('what does not fit is refused, and only the operator registers', async () => {
    const body = { name: 'X', kind: 'audit-office', level: 'county', division: '5201' };
    expect(await refused(operator, 'organisations', body)).toEqual([422, 'identity.level-does-not-fit-division']);
    expect(await refused(operator, 'organisations', { ...body, parentId: newId() })).toEqual([
      404,
      'identity.no-such-organisation',
    ]);
    expect(await refused(auditor, 'organisations', body)).toEqual([403, 'platform.forbidden']);
    expect(await refused(undefined, 'organisations', body)).toEqual([401, 'platform.unauthenticated']);
    const unknown = { organisationId: newId(), name: NAME };
    expect(await refused(operator, 'people', unknown)).toEqual([404, 'identity.no-such-organisation']);
    expect(await refused(operator, `people/${newId()}/roles`, { role: 'auditor' })).toEqual([
      404,
      'identity.no-such-person',
    ]);
  });

  test('a role counts at the next request, and no longer at the next one after it is revoked', async () => {
    const { id: organisationId } = await department();
    const { id } = await person(organisationId);
    const identity = service.app.get(IdentityPort);
    const roles = async () => (await identity.principal({ kind: 'person', id, authenticatedAt: Date.now() }))?.roles;
    expect(await roles()).toEqual([]);
    await done(operator, `people/${id}/roles`, { role: 'department-officer' });
    expect(await roles()).toEqual(['department-officer']);
    expect(await refused(operator, `people/${id}/roles`, { role: 'hub-operator' })).toEqual([
      422,
      'identity.role-excluded',
    ]);
    await send('DELETE', operator, `people/${id}/roles/department-officer`);
    expect(await roles()).toEqual([]);
    await done(operator, `people/${id}/deactivation`, { reason: '调离岗位' });
    expect(await roles()).toBeUndefined();
    expect(await identity.principal({ kind: 'person', id: newId(), authenticatedAt: 1 })).toBeUndefined();
  });

  test('two grants at the same moment never make an operator of an approver', async () => {
    const { id: organisationId } = await department({ kind: 'government', level: 'province', division: '52' });
    const { id } = await person(organisationId);
    await Promise.all(
      ['hub-operator', 'hub-operator', 'auditor', 'psb-responsible-person'].map((role) =>
        service.post(operator, `/api/v1/people/${id}/roles`, { role }),
      ),
    );
    const principal = await service.app
      .get(IdentityPort)
      .principal({ kind: 'person', id, authenticatedAt: Date.now() });
    expect(principal?.roles).toEqual(['hub-operator']);
  });

  test('people are listed to their own organisation and the operator, without a name', async () => {
    const { id: organisationId } = await department();
    const { id } = await person(organisationId);
    await done(operator, `people/${id}/credentials`, credential);
    const colleague = someone('department-officer');
    const own = { ...colleague, organisation: { ...colleague.organisation, id: organisationId } };
    const { body } = await service.get(own, '/api/v1/people');
    expect(body.items).toHaveLength(1);
    expect(body.items[0]).toMatchObject({ id, roles: [], enrolled: false, active: true });
    expect(JSON.stringify(body)).not.toContain(NAME);
    expect(JSON.stringify(body)).not.toContain(NUMBER);
    const theirs = await service.get(auditor, `/api/v1/people?organisationId=${organisationId}`);
    expect(theirs.body.items).toEqual([]);
    const all = await service.get(operator, `/api/v1/people?organisationId=${organisationId}`);
    expect(all.body.items).toHaveLength(1);
  });

  test('clear text is read by bureau and auditor with jurisdiction, and each reading is on record', async () => {
    const { id: organisationId } = await department();
    const { id } = await person(organisationId);
    const { credentialId } = await done(guiyang, `people/${id}/credentials`, credential);
    const path = `/api/v1/people/${id}/personal-data?purpose=${encodeURIComponent('核对证件')}`;
    for (const reader of [guiyang, auditor]) {
      const { status, body } = await service.get(reader, path);
      expect([status, body]).toEqual([
        200,
        { id, name: NAME, phone: PHONE, credentialNumbers: { [String(credentialId)]: NUMBER } },
      ]);
    }
    const readings = await events('personalData', id);
    expect(readings.map(({ metadata }) => metadata.actor.id)).toEqual([guiyang.id, auditor.id]);
    expect((await service.get(operator, path)).status).toBe(403);
    expect((await service.get(bureau('5203'), path)).body.rules).toEqual(['gz117:4.2']);
    expect((await service.get(auditor, `/api/v1/people/${id}/personal-data`)).status).toBe(400);
    expect(await events('personalData', id)).toHaveLength(2);
  });

  test('gz117:16(2): the commitment on record is that of the number shown, and only a bureau with jurisdiction files', async () => {
    const { id: organisationId } = await department();
    const { id } = await person(organisationId);
    const foreign = await service.post(bureau('5203'), `/api/v1/people/${id}/credentials`, credential);
    expect([foreign.status, foreign.body.rules]).toEqual([422, ['gz117:4.2']]);
    const { credentialId } = await done(operator, `people/${id}/credentials`, credential);
    await done(operator, `people/${id}/credentials`, { ...credential, number: '另一证件' });
    const filed = (await events('person', id)).filter(({ type }) => type === 'EnforcementCredentialFiled');
    expect(filed[0]?.data).toMatchObject({ numberCommitment: await vault.commit(id, 'credential-number', NUMBER) });
    await done(operator, `people/${id}/credentials/${credentialId}/withdrawal`, { reason: '遗失' });
    const { body } = await service.get(operator, `/api/v1/people?organisationId=${organisationId}`);
    expect(body.items[0]?.credentials).toHaveLength(1);
  });

  test('a key used for another payload changes neither the record nor the clear text', async () => {
    const { id: organisationId } = await department();
    const headers = { 'idempotency-key': 'registering-one-person' };
    const first = await service.post(operator, '/api/v1/people', { organisationId, name: NAME }, headers);
    const other = await service.post(operator, '/api/v1/people', { organisationId, name: '别人' }, headers);
    expect([first.status, other.body.code]).toEqual([201, 'command.idempotency-key-reused']);
    const again = await service.post(operator, '/api/v1/people', { organisationId, name: NAME }, headers);
    expect(again.body.id).toBe(first.body.id);
    expect(await events('person', first.body.id)).toHaveLength(2);
    const clear = await service.get(auditor, `/api/v1/people/${first.body.id}/personal-data?purpose=核对`);
    expect(clear.body.name).toBe(NAME);
  });

  test('API clients bring public keys, change them, and end', async () => {
    const { id: organisationId } = await department();
    const { id: contactPersonId } = await person(organisationId);
    const pair = generateKeyPairSync('ed25519');
    const publicKey = { ...pair.publicKey.export({ format: 'jwk' }), kid: 'a' };
    const body = { organisationId, contactPersonId, name: '治超系统', jwks: { keys: [publicKey] } };
    const secret = { ...pair.privateKey.export({ format: 'jwk' }), kid: 'a' };
    expect(await refused(operator, 'api-clients', { ...body, jwks: { keys: [secret] } })).toEqual([
      400,
      'platform.invalid-input',
    ]);
    const elsewhere = await person((await department()).id);
    expect(await refused(operator, 'api-clients', { ...body, contactPersonId: elsewhere.id })).toEqual([
      422,
      'identity.contact-elsewhere',
    ]);
    const { id } = await done(operator, 'api-clients', body);
    const identity = service.app.get(IdentityPort);
    expect(await identity.clientKeys(id)).toEqual({ organisationId, jwks: { keys: [publicKey] } });
    const jwks = { keys: [{ ...publicKey, kid: 'b' }] };
    expect((await send('PUT', operator, `api-clients/${id}/keys`, { jwks })).status).toBe(200);
    expect((await identity.clientKeys(id))?.jwks).toEqual(jwks);
    expect(await identity.principal({ kind: 'client', id, authenticatedAt: 1 })).toMatchObject({
      kind: 'client',
      organisation: { id: organisationId },
      roles: ['department-officer'],
    });
    const { body: list } = await service.get(operator, `/api/v1/api-clients?organisationId=${organisationId}`);
    expect(list.items).toEqual([expect.objectContaining({ id, keyIds: ['b'], active: true })]);
    await done(operator, `api-clients/${id}/deactivation`, { reason: '停用' });
    expect(await identity.clientKeys(id)).toBeUndefined();
    expect(await identity.principal({ kind: 'client', id, authenticatedAt: 1 })).toBeUndefined();
  });

  test('the first administrator gets a fresh code at every start until somebody has enrolled with one', async () => {
    const bootstrap = service.app.get(AdministratorBootstrap);
    const first = await bootstrap.codeWhileUnused();
    const second = await bootstrap.codeWhileUnused();
    expect(second).toMatch(/^([A-Z2-7]{4}-){5}[A-Z2-7]{4}$/);
    const body = { username: 'operator', password: '高山流水-mirror-2026' };
    expect(await refused(undefined, 'enrolments', { ...body, code: first })).toEqual([
      403,
      'identity.enrolment-refused',
    ]);
    const begun = await service.post(undefined, '/api/v1/enrolments', { ...body, code: second });
    expect([begun.status, begun.body]).toEqual([201, { totpUri: expect.any(String), totpSecret: expect.any(String) }]);
    const totp = generateSync({ secret: String(begun.body.totpSecret), epoch: service.clock.now() / 1_000 });
    const confirmed = await service.post(undefined, '/api/v1/enrolments/confirmation', { code: second, totp });
    expect(confirmed.status).toBe(201);
    expect(await bootstrap.codeWhileUnused()).toBeUndefined();
    const id = String(confirmed.body.personId);
    const principal = await service.app
      .get(IdentityPort)
      .principal({ kind: 'person', id, authenticatedAt: Date.now() });
    expect(principal).toMatchObject({ roles: ['hub-operator'], organisation: { kind: 'government', division: '52' } });
    expect((await events('person', id)).map(({ type }) => type)).toEqual([
      'PersonRegistered',
      'EnrolmentIssued',
      'RoleGranted',
      'EnrolmentIssued',
      'SignInEnrolled',
    ]);

    service.clock.advance(30_000);
    const credentials = service.app.get(CredentialStore);
    await expect(credentials.verify('operator', body.password, '000000')).rejects.toMatchObject({
      code: 'identity.sign-in-refused',
    });
    const next = generateSync({ secret: String(begun.body.totpSecret), epoch: service.clock.now() / 1_000 });
    await expect(credentials.verify('operator', body.password, next)).resolves.toEqual({ personId: id });
    expect((await events('signIn', id)).map(({ type }) => type)).toEqual(['SignInFailed', 'SignInSucceeded']);
  });

  test('neither names nor numbers stand in an event or a read model', async () => {
    const client = new pg.Client({ connectionString: databaseUrl });
    await client.connect();
    const { rows: tables } = await client.query<{ name: string }>(
      `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
       WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
         AND has_table_privilege(format('%I.%I', schemaname, tablename), 'SELECT')`,
    );
    let everything = '';
    for (const { name } of tables) {
      const { rows } = await client.query<{ text: string }>(`SELECT t::text AS text FROM ${name} t`);
      everything += rows.map(({ text }) => text).join('\n');
    }
    await client.end();
    const stands = (word: string) =>
      everything.includes(word) || everything.includes(Buffer.from(word).toString('hex'));
    expect([NAME, PHONE, NUMBER].filter(stands)).toEqual([]);
    // Control: what is no secret is found in events and read models.
    expect(stands('治超系统')).toBe(true);
  });
});
