import { copyFileSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { publicJwks } from '#libs/identity';
import { SERVICES } from '#libs/platform';
import { makeCertificates } from '#libs/remote';
import { KeyRing } from '#libs/vault';

/** Every process of an installation that runs in parts. */
export const PROCESSES = ['gateway', ...SERVICES] as const;
export type ProcessName = (typeof PROCESSES)[number];

/** Processes that seal or open personal data or camera credentials; the others never hold the key. */
export const WITH_VAULT: readonly ProcessName[] = ['gateway', 'integration', 'access', 'media'];

/** What one process finds in the folder. */
export interface Provided {
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
  readonly keysDir: string;
  /** Public keys of the issuer of tokens. */
  readonly tokenKeys: string;
}

/**
 * Makes what the processes of one installation need to know each other: an authority, a certificate a process, the
 * keys. What is there already stays; a certificate whose days run out is made anew.
 */
export async function provision(folder: string): Promise<Record<ProcessName, Provided>> {
  await makeCertificates(join(folder, 'tls'), PROCESSES);
  return Object.fromEntries(PROCESSES.map((name) => [name, provided(folder, name)])) as Record<ProcessName, Provided>;
}

function provided(folder: string, name: ProcessName): Provided {
  const keysDir = join(folder, 'keys', name);
  new KeyRing(keysDir).secret('commands');
  const gatewayKeys = join(folder, 'keys', 'gateway');
  const gateway = new KeyRing(gatewayKeys);
  const vaultKey = join(keysDir, 'vault.key');
  if (WITH_VAULT.includes(name) && !existsSync(vaultKey)) {
    gateway.secret('vault');
    copyFileSync(join(gatewayKeys, 'vault.key'), vaultKey);
  }
  const tokenKeys = join(folder, 'token-keys.json');
  writeFileSync(tokenKeys, `${JSON.stringify(publicJwks(gateway.signingKey('openid')))}\n`);
  const tls = join(folder, 'tls');
  return {
    certFile: join(tls, `${name}.pem`),
    keyFile: join(tls, `${name}.key`),
    caFile: join(tls, 'ca.pem'),
    keysDir,
    tokenKeys,
  };
}
