import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { generateSync } from 'otplib';
import { EventStore, migrateEventStore, PostgresEventStore, withCatalogue } from '#libs/event-store';
import {
  AdministratorBootstrap,
  apiClientEvents,
  IdentityModule,
  organisationEvents,
  personEvents,
  signInEvents,
} from '#libs/identity';
import { Clock, EventCatalogue } from '#libs/kernel';
import { DATABASE_URL, freePort, HUB_CONFIG, PlatformModule, readConfig, setCommandDigestKey } from '#libs/platform';
import { KeyRing, PostgresVault, personalDataEvents, Vault } from '#libs/vault';
import { type FreshDatabase, freshDatabase } from '../../../test/services/postgres.js';
import { type Enrolled, enrol, type SignedIn, signIn } from '../../../test/services/sign-in.js';

export const CLIENT = 'mingjing-cli';
const REDIRECT = 'http://127.0.0.1:49152/callback';
export const PASSWORD = '高山流水-mirror-2026';

/** The machine's clock, set forward by the spec. */
class SkewedClock extends Clock {
  skewMs = 0;
  now(): number {
    return Date.now() + this.skewMs;
  }
}

export const clock = new SkewedClock();
const folder = mkdtempSync(join(tmpdir(), 'mingjing-identity-'));
export const keys = new KeyRing(join(folder, 'keys'));
export let database: FreshDatabase;
export let postgres: PostgresEventStore;
let vault: PostgresVault;
let app: NestFastifyApplication;
export let baseUrl: string;
export let operator: SignedIn;
export let department: string;

/** Identity alone over HTTP on real PostgreSQL, with an operator signed in. */
export async function startIdentity(): Promise<void> {
  setCommandDigestKey(new Uint8Array(32).fill(7));
  database = await freshDatabase();
  await migrateEventStore(database.ownerUrl, database.serviceRole);
  postgres = new PostgresEventStore({ url: database.url });
  const catalogue = new EventCatalogue([
    organisationEvents,
    personEvents,
    apiClientEvents,
    signInEvents,
    personalDataEvents,
  ]);
  const store = withCatalogue(postgres, catalogue);
  vault = new PostgresVault(database.url, keys.secret('vault'), store);
  await vault.start();
  const port = await freePort();
  const platform = PlatformModule.forRoot([
    { provide: HUB_CONFIG, useValue: readConfig({ MINGJING_PORT: String(port) }) },
    { provide: Clock, useValue: clock },
    { provide: KeyRing, useValue: keys },
    { provide: EventStore, useValue: store },
    { provide: EventCatalogue, useValue: catalogue },
    { provide: DATABASE_URL, useValue: database.url },
    { provide: Vault, useValue: vault },
  ]);
  const testing = await Test.createTestingModule({ imports: [platform, IdentityModule] }).compile();
  app = testing.createNestApplication<NestFastifyApplication>(new FastifyAdapter({ forceCloseConnections: true }));
  await app.listen(port, '127.0.0.1');
  baseUrl = `http://127.0.0.1:${port}`;
  const code = await app.get(AdministratorBootstrap).codeWhileUnused();
  operator = await signIn(baseUrl, await enrol(baseUrl, code!, 'operator', PASSWORD));
  department = await created('organisations', {
    kind: 'administrative-department',
    level: 'prefecture',
    division: '5201',
    name: '贵阳市交通委员会',
  });
}

export async function stopIdentity(): Promise<void> {
  await app?.close();
  await vault?.stop();
  await postgres?.close();
  await database?.drop();
  rmSync(folder, { recursive: true, force: true });
}

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

export async function ask(token: string | undefined, method: string, path: string, body?: object): Promise<Answer> {
  const response = await fetch(`${baseUrl}/api/v1/${path}`, {
    method,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      'idempotency-key': randomUUID(),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? {} : JSON.parse(text) };
}

export async function created(path: string, body: object): Promise<string> {
  const answer = await ask(await operator.token(), 'POST', path, body);
  if (answer.status !== 201) throw new Error(`${path} answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  return String(answer.body.id);
}

interface Officer extends Enrolled {
  readonly id: string;
  readonly code: string;
}

/** A new officer of the department who has enrolled. */
export async function officer(): Promise<Officer> {
  const body = { organisationId: department, name: '测试人员' };
  const registered = await ask(await operator.token(), 'POST', 'people', body);
  const { id, enrolmentCode: code } = registered.body as { id: string; enrolmentCode: string };
  await ask(await operator.token(), 'POST', `people/${id}/roles`, { role: 'department-officer' });
  return { id, code, ...(await enrol(baseUrl, code, `officer-${randomBytes(4).toString('hex')}`, PASSWORD)) };
}

/** One browser with its cookies. */
export class Browser {
  readonly #cookies = new Map<string, string>();

  async open(url: string | URL, form?: Record<string, string>): Promise<Response> {
    const response = await fetch(url, {
      redirect: 'manual',
      headers: { cookie: [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
      ...(form === undefined ? {} : { method: 'POST', body: new URLSearchParams(form) }),
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie)!;
      this.#cookies.set(name!, value!);
    }
    return response;
  }

  /** Follows redirects up to the one that leaves the hub. */
  async follow(response: Response): Promise<URL> {
    let at = new URL(response.headers.get('location')!, baseUrl);
    for (let hop = 0; hop < 8 && at.origin === baseUrl; hop += 1) {
      const next = (await this.open(at)).headers.get('location');
      if (next === null) return at;
      at = new URL(next, at);
    }
    return at;
  }
}

export const verifier = randomBytes(32).toString('base64url');

export function authorization(change: Record<string, string | undefined> = {}): URL {
  const url = new URL(`${baseUrl}/oidc/auth`);
  const parameters = {
    client_id: CLIENT,
    response_type: 'code',
    redirect_uri: REDIRECT,
    scope: 'openid offline_access hub',
    prompt: 'login',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    ...change,
  };
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) url.searchParams.set(name, value);
  return url;
}

/** Fills in the form in a new browser and sends it. */
export async function submit(form: Record<string, string>): Promise<{ browser: Browser; response: Response }> {
  const browser = new Browser();
  const page = new URL((await browser.open(authorization())).headers.get('location')!, baseUrl);
  return { browser, response: await browser.open(page, form) };
}

/** The code of the step `ahead` of the present one by the hub's clock. */
export function totp(secret: string, ahead = 0): string {
  return generateSync({ secret, epoch: Math.floor(clock.now() / 1_000) + ahead * 30 });
}

export function redeem(parameters: Record<string, string>): Promise<Response> {
  return fetch(`${baseUrl}/oidc/token`, {
    method: 'POST',
    body: new URLSearchParams({ client_id: CLIENT, ...parameters }),
  });
}

/** An authorization code of a person, as the loopback client gets it. */
export async function authorizationCode({ username, password, totpSecret }: Enrolled): Promise<Record<string, string>> {
  const { browser, response } = await submit({ username, password, totp: totp(totpSecret, 1) });
  const code = (await browser.follow(response)).searchParams.get('code')!;
  return { grant_type: 'authorization_code', code, redirect_uri: REDIRECT, code_verifier: verifier };
}
