import { randomBytes } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { rightsOf } from '#libs/catalogue';
import { createKurrentUsers, createServiceRoles, kurrentUrlOf } from '#libs/event-store';
import { publicJwks } from '#libs/identity';
import { SERVICES } from '#libs/platform';
import { makeCertificates } from '#libs/remote';
import { KeyRing, permitVault } from '#libs/vault';

/** Every process of an installation that runs in parts. */
export const PROCESSES = ['gateway', ...SERVICES, 'relay'] as const;
export type ProcessName = (typeof PROCESSES)[number];

/** Which of the installation's keys each process holds: no more than it works with. */
const KEYS: Readonly<
  Record<ProcessName, { readonly secrets: readonly string[]; readonly signing: readonly string[] }>
> = {
  gateway: { secrets: ['commands', 'vault', 'sign-in', 'cookies'], signing: ['openid'] },
  registry: { secrets: ['commands'], signing: [] },
  integration: { secrets: ['commands', 'vault'], signing: [] },
  access: { secrets: ['commands', 'vault'], signing: ['ticket'] },
  media: { secrets: ['commands', 'vault'], signing: ['clips'] },
  audit: { secrets: ['commands'], signing: [] },
  relay: { secrets: ['commands'], signing: [] },
};

/** Whether a process seals or opens personal data or camera credentials. */
export function holdsVaultKey(name: ProcessName): boolean {
  return KEYS[name].secrets.includes('vault');
}

/** Files in the folder of one process; its keys lie beside them. */
export const PROVIDED_FILES = {
  certificate: 'tls.pem',
  key: 'tls.key',
  authority: 'ca.pem',
  tokenKeys: 'token-keys.json',
  databaseUrl: 'database-url',
  eventStore: 'event-store',
  kafkaPassword: 'kafka-password',
  /** Authorities of servers that are the operator's own: PostgreSQL, KurrentDB, Kafka. */
  trusted: 'trusted.pem',
} as const;

/** Names of the key files that a process holds. */
export function keyFilesOf(name: ProcessName): readonly string[] {
  const { secrets, signing } = KEYS[name];
  return [...secrets.map((secret) => `${secret}.key`), ...signing.map((key) => `${key}.pem`)];
}

/** What one process finds in the folder. */
export interface Provided {
  /** Folder that holds the rest, and the keys. */
  readonly folder: string;
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
  /** Public keys of the issuer of tokens. */
  readonly tokenKeys: string;
}

/**
 * Gives each process of an installation what it needs, in a folder of its own: a certificate by which the others know
 * it, copies of the keys that it works with. What is there already stays; a certificate whose days run out is made anew.
 * The authority's own key stays in `authority`, which no process needs.
 * @param folder where it is put, readable by this user alone
 * @param keysDir the installation's own keys, the same that a hub in one process uses; made when they are not there
 * @param others servers of the same authority besides the processes, for instance `kafka`; by their host names
 * @param withRsa those of them that take RSA keys only
 */
export async function provision(
  folder: string,
  keysDir: string,
  others: readonly string[] = [],
  withRsa: readonly string[] = [],
): Promise<Record<ProcessName, Provided>> {
  const authority = join(folder, 'authority');
  await makeCertificates(authority, [...PROCESSES, ...others], undefined, withRsa);
  for (const name of [...PROCESSES, ...others]) {
    mkdirSync(join(folder, name), { recursive: true, mode: 0o700 });
    copyFileSync(join(authority, `${name}.pem`), join(folder, name, PROVIDED_FILES.certificate));
    copyFileSync(join(authority, `${name}.key`), join(folder, name, PROVIDED_FILES.key));
    copyFileSync(join(authority, 'ca.pem'), join(folder, name, PROVIDED_FILES.authority));
  }
  const own = new KeyRing(keysDir);
  const tokenKeys = `${JSON.stringify(publicJwks(own.signingKey('openid')))}\n`;
  const provided = (name: ProcessName): Provided => {
    const given = join(folder, name);
    for (const secret of KEYS[name].secrets) own.secret(secret);
    for (const key of KEYS[name].signing) own.signingKey(key);
    for (const file of keyFilesOf(name)) copyFileSync(join(keysDir, file), join(given, file));
    writeFileSync(join(given, PROVIDED_FILES.tokenKeys), tokenKeys);
    return {
      folder: given,
      certFile: join(given, PROVIDED_FILES.certificate),
      keyFile: join(given, PROVIDED_FILES.key),
      caFile: join(given, PROVIDED_FILES.authority),
      tokenKeys: join(given, PROVIDED_FILES.tokenKeys),
    };
  };
  return Object.fromEntries(PROCESSES.map((name) => [name, provided(name)])) as Record<ProcessName, Provided>;
}

/** A password nobody has to type. */
export function newPassword(): string {
  return randomBytes(24).toString('base64url');
}

/** Name of a process as a user of the database, and of KurrentDB. */
function roleOf(name: ProcessName): string {
  return `mingjing_${name}`;
}

/** The address of PostgreSQL or KurrentDB as the user of one process. */
export function asRole(url: string, name: ProcessName, password: string): string {
  return kurrentUrlOf(url, roleOf(name), password);
}

/**
 * Brings the database up to date, with a role for each process that may do what that process is for.
 * @param ownerUrl address as a role that owns the database and may create roles
 */
export async function prepareDatabase(
  ownerUrl: string,
  passwordOf: Readonly<Record<ProcessName, string>>,
): Promise<void> {
  const roles = PROCESSES.map((name) => ({ name, role: roleOf(name), rights: rightsOf(name) }));
  await createServiceRoles(
    ownerUrl,
    roles.map(({ name, role, rights: { categories, schemas } }) => ({
      role,
      password: passwordOf[name],
      categories,
      schemas,
      subscriptions: [name],
    })),
  );
  await permitVault(
    ownerUrl,
    roles.map(({ role, rights }) => ({ role, uses: rights.vault })),
  );
}

/**
 * Makes a user of KurrentDB for each process, which may append to the stream categories of that process.
 * @param adminUrl address with the name and password of an administrator
 * @param keepBy who sees to it: the server, by stream policies, or without a licence for these the program itself
 */
export async function prepareKurrent(
  adminUrl: string,
  passwordOf: Readonly<Record<ProcessName, string>>,
  keepBy: 'policies' | 'access-lists',
): Promise<void> {
  const users = PROCESSES.map((name) => ({
    user: roleOf(name),
    password: passwordOf[name],
    categories: rightsOf(name).categories,
  }));
  await createKurrentUsers(adminUrl, users, keepBy);
}

/** Writes a secret so that whoever reads it finds the whole of it. */
export function writeSecret(path: string, content: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  if (existsSync(path) && readFileSync(path, 'utf8') === content) return;
  writeFileSync(`${path}.new`, content, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}
