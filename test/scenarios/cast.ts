import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { enrol, signIn, signInClient } from '../services/sign-in.js';
import { SharedPosition, User } from './api.js';
import type { Checks } from './checks.js';

const DAY_MS = 86_400_000;

/** A person of the story with what only they know. */
interface Person extends User {
  readonly id: string;
  readonly credentialNumber: string;
}

/** Everybody who plays in the story. */
export interface Cast {
  readonly position: SharedPosition;
  readonly operator: User;
  readonly stranger: User;
  readonly organisations: Readonly<Record<OrganisationName, string>>;
  readonly people: Readonly<Record<PersonName, Person>>;
  readonly client: User & { readonly id: string };
}

type OrganisationName = keyof typeof ORGANISATIONS;
type PersonName = keyof typeof PEOPLE;

/** Organisations of Guizhou; divisions by GB/T 2260. */
const ORGANISATIONS = {
  provincialBureau: { name: '贵州省公安厅', kind: 'public-security-organ', level: 'province', division: '52' },
  guiyangBureau: { name: '贵阳市公安局', kind: 'public-security-organ', level: 'prefecture', division: '5201' },
  nanmingBureau: { name: '贵阳市公安局南明分局', kind: 'public-security-organ', level: 'county', division: '520102' },
  zunyiBureau: { name: '遵义市公安局', kind: 'public-security-organ', level: 'prefecture', division: '5203' },
  transport: { name: '贵阳市交通委员会', kind: 'administrative-department', level: 'prefecture', division: '5201' },
  emergency: { name: '贵阳市应急管理局', kind: 'administrative-department', level: 'prefecture', division: '5201' },
  station: { name: '贵阳站管理单位', kind: 'managing-unit', level: 'county', division: '520102' },
  audit: { name: '贵州省审计厅', kind: 'audit-office', level: 'province', division: '52' },
} as const;

const PEOPLE = {
  clerk: { organisation: 'station', role: 'managing-unit-clerk' },
  filingOfficer: { organisation: 'nanmingBureau', role: 'psb-filing-officer' },
  secondFilingOfficer: { organisation: 'nanmingBureau', role: 'psb-filing-officer' },
  strangeFilingOfficer: { organisation: 'zunyiBureau', role: 'psb-filing-officer' },
  responsiblePerson: { organisation: 'nanmingBureau', role: 'psb-responsible-person' },
  strangeResponsiblePerson: { organisation: 'zunyiBureau', role: 'psb-responsible-person' },
  firstInvestigator: { organisation: 'transport', role: 'department-officer' },
  secondInvestigator: { organisation: 'transport', role: 'department-officer' },
  expiredInvestigator: { organisation: 'transport', role: 'department-officer' },
  foreignInvestigator: { organisation: 'transport', role: 'department-officer' },
  emergencyOfficer: { organisation: 'emergency', role: 'department-officer' },
  auditor: { organisation: 'audit', role: 'auditor' },
} as const satisfies Record<string, { organisation: OrganisationName; role: string }>;

/** Enforcement credential of each investigator: the third's has expired, the fourth's issuer is not one of Art. 16(2). */
const CREDENTIALS: Partial<Record<PersonName, { issuer: string; issuerName: string; days: number }>> = {
  firstInvestigator: { issuer: 'provincial-government', issuerName: '贵州省人民政府', days: 365 },
  secondInvestigator: { issuer: 'state-council-ministry', issuerName: '交通运输部', days: 365 },
  expiredInvestigator: { issuer: 'provincial-government', issuerName: '贵州省人民政府', days: -1 },
  foreignInvestigator: { issuer: 'other', issuerName: '贵阳市人民政府', days: 365 },
};

/** Registers organisations, people, roles, credentials and the API client, and signs everybody in. */
export async function assemble(baseUrl: string, administratorCode: string, checks: Checks): Promise<Cast> {
  checks.chapter('1. Organisations and people 单位与人员');
  const position = new SharedPosition();
  const stranger = new User('stranger', baseUrl, position, () => undefined);
  const operator = new User('operator', baseUrl, position, await signedIn(baseUrl, administratorCode, 'operator'));
  checks.that(
    'the operator signs in with password and second factor',
    (await operator.get('/api/v1/me')).status === 200,
  );

  const organisations = {} as Record<OrganisationName, string>;
  for (const [key, organisation] of Object.entries(ORGANISATIONS)) {
    const answer = await operator.post('/api/v1/organisations', organisation);
    organisations[key as OrganisationName] = checks.done(`${organisation.name} ${organisation.division}`, answer).id;
  }
  const power = (organisation: OrganisationName, power: string, instrument: string) =>
    operator.post(`/api/v1/organisations/${organisations[organisation]}/powers`, { power, instrument });
  checks.done(
    'transport department: law enforcement',
    await power('transport', 'law-enforcement', '中华人民共和国道路运输条例'),
  );
  checks.done(
    'emergency department: emergency handling',
    await power('emergency', 'emergency-handling', '突发事件应对法'),
  );

  const people = {} as Record<PersonName, Person>;
  for (const name of Object.keys(PEOPLE) as PersonName[]) {
    people[name] = await engage(baseUrl, operator, position, organisations, name, checks);
  }
  checks.refused(
    'an operator who would also approve',
    await operator.post(`/api/v1/people/${people.responsiblePerson.id}/roles`, { role: 'hub-operator' }),
    'identity.role-excluded',
  );
  checks.refused('a stranger without token', await stranger.get('/api/v1/me'), 'platform.unauthenticated');
  const client = await registerClient(baseUrl, operator, position, organisations.transport, people, checks);
  return { position, operator, stranger, organisations, people, client };
}

async function signedIn(baseUrl: string, code: string, username: string): Promise<() => Promise<string>> {
  const password = randomBytes(15).toString('base64url');
  const session = await signIn(
    baseUrl,
    await enrol(baseUrl, code, `${username}-${randomBytes(3).toString('hex')}`, password),
  );
  return () => session.token();
}

async function engage(
  baseUrl: string,
  operator: User,
  position: SharedPosition,
  organisations: Readonly<Record<OrganisationName, string>>,
  name: PersonName,
  checks: Checks,
): Promise<Person> {
  const { organisation, role } = PEOPLE[name];
  const body = { organisationId: organisations[organisation], name: `测试人员 ${name}`, phone: '13800000000' };
  const registered = await operator.post('/api/v1/people', body);
  const { id, enrolmentCode } = checks.done(`${name} of ${ORGANISATIONS[organisation].name}`, registered);
  checks.done(`${name} is ${role}`, await operator.post(`/api/v1/people/${id}/roles`, { role }));
  const credentialNumber = `黔${randomBytes(5).toString('hex').toUpperCase()}`;
  const credential = CREDENTIALS[name];
  if (credential !== undefined) {
    const now = Date.now();
    const { days, ...issued } = credential;
    const filed = await operator.post(`/api/v1/people/${id}/credentials`, {
      ...issued,
      number: credentialNumber,
      validFrom: new Date(now - 700 * DAY_MS).toISOString(),
      validTo: new Date(now + days * DAY_MS).toISOString(),
    });
    checks.done(`enforcement credential of ${name} on file`, filed);
  }
  const user = new User(name, baseUrl, position, await signedIn(baseUrl, String(enrolmentCode), name));
  return Object.assign(user, { id, credentialNumber });
}

async function registerClient(
  baseUrl: string,
  operator: User,
  position: SharedPosition,
  organisationId: string,
  people: Readonly<Record<PersonName, Person>>,
  checks: Checks,
): Promise<User & { id: string }> {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const answer = await operator.post('/api/v1/api-clients', {
    organisationId,
    name: '交通运行监测系统',
    contactPersonId: people.firstInvestigator.id,
    jwks: { keys: [{ ...publicKey.export({ format: 'jwk' }), alg: 'EdDSA', use: 'sig', kid: 'transport-1' }] },
  });
  const { id } = checks.done('API client of the transport department', answer);
  const session = await signInClient(baseUrl, id, privateKey.export({ format: 'jwk' }));
  return Object.assign(new User('client', baseUrl, position, () => session.token()), { id });
}
