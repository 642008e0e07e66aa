import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { publicJwks } from '#libs/identity';
import { SERVICES } from '#libs/platform';
import { KeyRing } from '#libs/vault';

/** Every process of an installation that runs in parts. */
export const PROCESSES = ['gateway', ...SERVICES] as const;
export type ProcessName = (typeof PROCESSES)[number];

/** Processes that seal or open personal data or camera credentials; the others never hold the key. */
export const WITH_VAULT: readonly ProcessName[] = ['gateway', 'integration', 'access', 'media'];

const DAY_MS = 86_400_000;
const CA_DAYS = 3_650;
const CERTIFICATE_DAYS = 397;
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

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
 * @param days life of a process's certificate; tests pass a negative number for one that is over
 */
export async function provision(folder: string, days = CERTIFICATE_DAYS): Promise<Record<ProcessName, Provided>> {
  const tls = join(folder, 'tls');
  mkdirSync(tls, { recursive: true, mode: 0o700 });
  const authority = await authorityIn(tls);
  for (const name of PROCESSES) await certificateFor(name, tls, authority, days);
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

interface Authority {
  readonly certificate: x509.X509Certificate;
  readonly key: webcrypto.CryptoKey;
}

async function authorityIn(tls: string): Promise<Authority> {
  const [certFile, keyFile] = [join(tls, 'ca.pem'), join(tls, 'ca.key')];
  if (existsSync(certFile) && existsSync(keyFile)) {
    const key = await webcrypto.subtle.importKey(
      'pkcs8',
      x509.PemConverter.decodeFirst(readFileSync(keyFile, 'utf8')),
      ALGORITHM,
      true,
      ['sign'],
    );
    return { certificate: new x509.X509Certificate(readFileSync(certFile, 'utf8')), key };
  }
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=Mingjing installation',
    keys,
    notBefore: new Date(Date.now() - DAY_MS),
    notAfter: new Date(Date.now() + CA_DAYS * DAY_MS),
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
    ],
  });
  await write(certFile, keyFile, certificate, keys.privateKey);
  return { certificate, key: keys.privateKey };
}

async function certificateFor(name: ProcessName, tls: string, { certificate: ca, key }: Authority, days: number) {
  const [certFile, keyFile] = [join(tls, `${name}.pem`), join(tls, `${name}.key`)];
  if (existsSync(certFile) && existsSync(keyFile)) {
    const { notAfter } = new x509.X509Certificate(readFileSync(certFile, 'utf8'));
    if (notAfter.getTime() - Date.now() > 30 * DAY_MS) return;
  }
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.create({
    subject: `CN=${name}`,
    issuer: ca.subject,
    publicKey: keys.publicKey,
    signingKey: key,
    notBefore: new Date(Date.now() - DAY_MS),
    notAfter: new Date(Date.now() + days * DAY_MS),
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
      new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: name }]),
    ],
  });
  await write(certFile, keyFile, certificate, keys.privateKey);
}

async function write(certFile: string, keyFile: string, certificate: x509.X509Certificate, key: webcrypto.CryptoKey) {
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', key);
  writeFileSync(keyFile, x509.PemConverter.encode(pkcs8, 'PRIVATE KEY'), { mode: 0o600 });
  writeFileSync(certFile, `${certificate.toString('pem')}\n`);
}
