import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { publicJwks } from '#libs/identity';
import { SERVICES } from '#libs/platform';
import { makeCertificates } from '#libs/remote';
import { KeyRing } from '#libs/vault';

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
 * Gives each process of an installation what it needs: a certificate by which the others know it, copies of the keys
 * that it works with. What is there already stays; a certificate whose days run out is made anew.
 * @param folder where it is put, readable by this user alone
 * @param keysDir the installation's own keys, the same that a hub in one process uses; made when they are not there
 */
export async function provision(folder: string, keysDir: string): Promise<Record<ProcessName, Provided>> {
  await makeCertificates(join(folder, 'tls'), PROCESSES);
  const own = new KeyRing(keysDir);
  const tokenKeys = join(folder, 'token-keys.json');
  writeFileSync(tokenKeys, `${JSON.stringify(publicJwks(own.signingKey('openid')))}\n`);
  const provided = (name: ProcessName): Provided => {
    const given = join(folder, 'keys', name);
    mkdirSync(given, { recursive: true, mode: 0o700 });
    const { secrets, signing } = KEYS[name];
    for (const secret of secrets) own.secret(secret);
    for (const key of signing) own.signingKey(key);
    const files = [...secrets.map((secret) => `${secret}.key`), ...signing.map((key) => `${key}.pem`)];
    for (const file of files) copyFileSync(join(keysDir, file), join(given, file));
    const tls = join(folder, 'tls');
    return {
      certFile: join(tls, `${name}.pem`),
      keyFile: join(tls, `${name}.key`),
      caFile: join(tls, 'ca.pem'),
      keysDir: given,
      tokenKeys,
    };
  };
  return Object.fromEntries(PROCESSES.map((name) => [name, provided(name)])) as Record<ProcessName, Provided>;
}
