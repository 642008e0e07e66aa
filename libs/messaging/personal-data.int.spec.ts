import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EventStore } from '#libs/event-store';
import { apiClientEvents, IdentityModule, organisationEvents, personEvents, signInEvents } from '#libs/identity';
import { EventCatalogue, newId, type Principal, type Role } from '#libs/kernel';
import { DATABASE_URL, HUB_CONFIG, readConfig } from '#libs/platform';
import { KeyRing, PostgresVault, personalDataEvents, Vault } from '#libs/vault';
import { type OneService, startOneService } from '../../test/services/one-service.js';
import { toCloudEvent } from './cloud-event.js';
import { recipientsOf, routes } from './routes.js';

const AT = '2026-03-01T02:00:00.000Z';
const CLEAR = ['王晓明', '13985012345', '黔A-5201-000123', '李丽', '13985054321'] as const;
const [NAME, PHONE, NUMBER, OTHER_NAME, OTHER_PHONE] = CLEAR;
const events = [organisationEvents, personEvents, apiClientEvents, signInEvents, personalDataEvents];
const folder = mkdtempSync(join(tmpdir(), 'mingjing-personal-'));

const someone = (role: Role, kind: Principal['organisation']['kind']): Principal => ({
  kind: 'person',
  id: newId(),
  organisation: { id: newId(), kind, level: 'province', division: '52', powers: [] },
  roles: [role],
  authenticatedAt: Date.parse(AT),
});

describe('personal data', () => {
  let service: OneService;
  let vault: PostgresVault;

  beforeAll(async () => {
    const keys = new KeyRing(join(folder, 'keys'));
    service = await startOneService(IdentityModule, events, AT, [
      { provide: HUB_CONFIG, useValue: readConfig({}) },
      { provide: KeyRing, useValue: keys },
      {
        provide: Vault,
        inject: [DATABASE_URL, EventStore],
        useFactory: async (url: string, store: EventStore) => {
          vault = new PostgresVault(url, keys.secret('vault'), store);
          await vault.start();
          return vault;
        },
      },
    ]);
  });
  afterAll(async () => {
    await vault?.stop();
    await service?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test('never leaves the hub in clear, on any topic, whatever was registered, filed and read', async () => {
    const operator = someone('hub-operator', 'government');
    const auditor = someone('auditor', 'audit-office');
    const done = async (path: string, body: object) => {
      const answer = await service.post(operator, `/api/v1/${path}`, body);
      expect(answer.status).toBe(201);
      return answer.body;
    };
    // 1. People with everything that is known of them
    const organisation = (name: string, kind: string) =>
      done('organisations', { name, kind, level: 'prefecture', division: '5201' });
    const department = await organisation('贵阳市交通委员会', 'administrative-department');
    const unit = await organisation('贵阳站管理单位', 'managing-unit');
    const bureau = await organisation('贵阳市公安局', 'public-security-organ');
    const wang = await done('people', { organisationId: department.id, name: NAME, phone: PHONE });
    await done('people', { organisationId: unit.id, name: OTHER_NAME, phone: OTHER_PHONE });
    await done(`people/${wang.id}/roles`, { role: 'department-officer' });
    await done(`people/${wang.id}/credentials`, {
      issuer: 'provincial-government',
      issuerName: '贵州省人民政府',
      number: NUMBER,
      validFrom: '2025-01-01T00:00:00.000Z',
      validTo: '2030-01-01T00:00:00.000Z',
    });
    const read = await service.get(auditor, `/api/v1/people/${wang.id}/personal-data?purpose=%E6%A0%B8%E5%AF%B9`);
    expect(read.body).toMatchObject({ name: NAME, phone: PHONE });

    // 2. Everything that is published of it
    const recipients = await recipientsOf(service.store, [department.id, unit.id, bureau.id]);
    const route = routes({ store: service.store, catalogue: new EventCatalogue(events), recipients });
    const published = new Map<string, string>();
    for await (const event of service.store.readAll(0n)) {
      for (const { topic, event: shown } of await route(event)) {
        const { key, value, headers } = toCloudEvent(shown, 0n, { source: 'urn:mingjing:hub:spec' });
        const text = `${key} ${JSON.stringify(headers)} ${value.toString('utf8')}\n`;
        published.set(topic, (published.get(topic) ?? '') + text);
      }
    }

    // 3. Ids and commitments are there, on the topics where they belong; no clear text is on any
    const topicOf = (id: string) => published.get(recipients.find((r) => r.organisationId === id)!.topic)!;
    expect(published.size).toBe(5);
    for (const text of published.values()) for (const clear of CLEAR) expect(text).not.toContain(clear);
    const commitment = await vault.commit(wang.id, 'name', NAME);
    expect(topicOf(department.id)).toContain(commitment);
    expect(topicOf(bureau.id)).toContain(commitment);
    expect(topicOf(unit.id)).not.toContain(commitment);
    expect(topicOf(unit.id)).not.toContain(wang.id);
    expect(topicOf(department.id)).not.toContain('PersonalDataRead');
    expect(published.get('mingjing.vault.v1')).toContain('PersonalDataRead');
  });
});
