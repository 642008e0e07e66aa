import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { newPassword, PROVIDED_FILES, writeSecret } from '../composition/provision.js';
import { secretIn } from './secrets.js';

/** Servers that an installation on one machine brings along, by their host names. */
export const SERVERS = ['postgres', 'kurrentdb', 'kafka'] as const;
export type ServerName = (typeof SERVERS)[number];

/** Where each container finds the folder that was made for it. */
export const MOUNT = '/run/mingjing';

/** Addresses of the servers as the processes reach them. */
export interface ServerAddresses {
  /** Both without user and password: each process has its own. */
  readonly databaseUrl?: string;
  readonly eventStore?: string;
}

/**
 * What the servers of one machine need besides their certificates: passwords nobody has to type, and the key store of
 * Kafka. The addresses of the owner and the administrator go into `database`, for the job that prepares both.
 */
export function provisionServers(folder: string, servers: readonly ServerName[]): ServerAddresses {
  const addresses: { databaseUrl?: string; eventStore?: string } = {};
  if (servers.includes('postgres')) {
    const password = secretIn(join(folder, 'postgres', 'owner-password'), newPassword);
    const database = `postgres:5432/mingjing?sslmode=verify-full&sslrootcert=${MOUNT}/${PROVIDED_FILES.authority}`;
    const owner = `postgres://mingjing_owner:${password}@${database}`;
    writeSecret(join(folder, 'database', 'owner-url'), owner);
    writeSecret(join(folder, 'database', PROVIDED_FILES.eventStore), owner);
    copyAuthority(folder, 'postgres', 'database');
    addresses.databaseUrl = `postgres://${database}`;
  }
  if (servers.includes('kurrentdb')) {
    const password = secretIn(join(folder, 'kurrentdb', 'admin-password'), newPassword);
    secretIn(join(folder, 'kurrentdb', 'ops-password'), newPassword);
    copyAuthority(folder, 'kurrentdb', join('kurrentdb', 'trusted'));
    const server = `kurrentdb:2113?tls=true&tlsCAFile=${MOUNT}/${PROVIDED_FILES.authority}`;
    writeSecret(join(folder, 'database', PROVIDED_FILES.eventStore), `kurrentdb://admin:${password}@${server}`);
    addresses.eventStore = `kurrentdb://${server}`;
  }
  if (servers.includes('kafka')) {
    // Kafka takes key and certificate from one file.
    const parts = [PROVIDED_FILES.key, PROVIDED_FILES.certificate].map((file) =>
      readFileSync(join(folder, 'kafka', file), 'utf8').trim(),
    );
    writeSecret(join(folder, 'kafka', 'keystore.pem'), `${parts.join('\n')}\n`);
  }
  return addresses;
}

function copyAuthority(folder: string, from: string, to: string): void {
  mkdirSync(join(folder, to), { recursive: true, mode: 0o700 });
  copyFileSync(join(folder, from, PROVIDED_FILES.authority), join(folder, to, PROVIDED_FILES.authority));
}
