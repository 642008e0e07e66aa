import { copyFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HubConfig } from '#libs/platform';
import {
  asRole,
  newPassword,
  PROCESSES,
  PROVIDED_FILES,
  type ProcessName,
  prepareDatabase,
  prepareKurrent,
  provision,
  writeSecret,
} from '../composition/provision.js';
import { secretManifests } from './secrets.js';
import { provisionServers, type ServerName } from './servers.js';

export interface ProvisionOptions {
  /** Gets a folder for each process; readable by this user alone. */
  readonly folder: string;
  /** The installation's own keys; those of a hub in one process that grows into parts, or new ones. */
  readonly keysDir: string;
  /** Servers that are part of the installation and not the operator's own. */
  readonly servers: readonly ServerName[];
  /** Authorities (PEM) of the operator's own servers. */
  readonly trust: string | undefined;
  /** Whether to write the same as manifests, to `secrets.yaml`. */
  readonly kubernetes: boolean;
}

/**
 * Makes what the processes of an installation need and cannot share: certificates, keys, passwords, addresses.
 * @returns what there is now, for people; no secret in it
 * @throws Error in one sentence
 */
export async function provisionInstallation(
  config: HubConfig,
  { folder, keysDir, servers, trust, kubernetes }: ProvisionOptions,
): Promise<readonly string[]> {
  const provided = await provision(folder, keysDir, servers, ['kurrentdb']);
  const own = provisionServers(folder, servers);
  const databaseUrl = config.databaseUrl ?? own.databaseUrl;
  if (databaseUrl === undefined) {
    throw new Error('MINGJING_DATABASE_URL: say where PostgreSQL is, or let --servers postgres make one.');
  }
  if (config.eventStore !== undefined && !isKurrent(config.eventStore)) {
    throw new Error('MINGJING_EVENT_STORE: events in PostgreSQL are kept in the database of MINGJING_DATABASE_URL.');
  }
  const eventStore = config.eventStore ?? own.eventStore ?? databaseUrl;
  for (const name of PROCESSES) {
    const place = provided[name].folder;
    const password = passwordIn(place) ?? newPassword();
    writeSecret(join(place, PROVIDED_FILES.databaseUrl), asRole(databaseUrl, name, password));
    writeEventStore(join(place, PROVIDED_FILES.eventStore), asRole(eventStore, name, password));
    const kafkaPassword = config.kafka?.sasl?.password;
    const hearsKafka = name === 'relay' || config.feed === 'kafka';
    if (kafkaPassword !== undefined && hearsKafka) {
      writeSecret(join(place, PROVIDED_FILES.kafkaPassword), kafkaPassword);
    }
    if (trust !== undefined) copyFileSync(trust, join(place, PROVIDED_FILES.trusted));
  }
  const lines = [
    `${folder} holds a folder for each of ${PROCESSES.join(', ')}${servers.map((name) => `, ${name}`).join('')}.`,
    `The authority's own key is in ${join(folder, 'authority')}, the installation's keys are in ${keysDir}: keep both apart from the processes, and back them up.`,
  ];
  if (!kubernetes) return lines;
  const manifests = join(folder, 'secrets.yaml');
  writeSecret(manifests, secretManifests(folder, databaseJob(config, trust)));
  return [...lines, `The same as Kubernetes Secrets: kubectl apply -n mingjing -f ${manifests}`];
}

/** What the job that prepares the database finds in its own secret. */
function databaseJob(config: HubConfig, trust: string | undefined): Readonly<Record<string, Buffer>> {
  const { databaseOwnerUrl, eventStore = databaseOwnerUrl } = config;
  return {
    ...(databaseOwnerUrl !== undefined && { 'owner-url': Buffer.from(databaseOwnerUrl) }),
    ...(eventStore !== undefined && { [PROVIDED_FILES.eventStore]: Buffer.from(eventStore) }),
    ...(trust !== undefined && { [PROVIDED_FILES.trusted]: readFileSync(trust) }),
  };
}

/**
 * Brings the database up to date, with a role for each process that signs in by the password in its folder; in
 * KurrentDB, where that keeps the events, a user for each.
 * @throws Error in one sentence
 */
export async function migrateInstallation(
  config: HubConfig,
  folder: string,
  keepBy: 'policies' | 'access-lists' = 'policies',
): Promise<readonly string[]> {
  if (config.databaseOwnerUrl === undefined) {
    throw new Error('MINGJING_DATABASE_OWNER_URL: only the owner of the database can make roles and alter tables.');
  }
  const passwords = PROCESSES.map((name) => {
    const password = passwordIn(join(folder, name));
    if (password === undefined) throw new Error(`${join(folder, name)} holds no database-url: provision it first.`);
    return [name, password] as const;
  });
  const passwordOf = Object.fromEntries(passwords) as Record<ProcessName, string>;
  await prepareDatabase(config.databaseOwnerUrl, passwordOf);
  const done = `The database is up to date and has a role for each of ${PROCESSES.join(', ')}.`;
  if (config.eventStore === undefined || !isKurrent(config.eventStore)) return [done];
  await prepareKurrent(config.eventStore, passwordOf, keepBy);
  const keeper =
    keepBy === 'policies' ? 'the server by its policies' : 'their own programs; the server keeps out others';
  return [done, `KurrentDB has a user for each, kept to their own categories by ${keeper}.`];
}

/** The password that a process signs in to the database by, when it has one. */
function passwordIn(folder: string): string | undefined {
  const path = join(folder, PROVIDED_FILES.databaseUrl);
  if (!existsSync(path)) return undefined;
  return decodeURIComponent(new URL(readFileSync(path, 'utf8').trim()).password);
}

function isKurrent(url: string): boolean {
  return !url.startsWith('postgres');
}

/** Events stay where they are: another kind of store would begin with none. */
function writeEventStore(path: string, url: string): void {
  const kind = (address: string) => (isKurrent(address) ? 'KurrentDB' : 'PostgreSQL');
  if (existsSync(path)) {
    const before = kind(readFileSync(path, 'utf8'));
    if (before !== kind(url)) {
      throw new Error(`This installation keeps its events in ${before}; ${kind(url)} would begin without them.`);
    }
  }
  writeSecret(path, url);
}
