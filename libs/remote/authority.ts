import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';

const DAY_MS = 86_400_000;
const CA_DAYS = 3_650;
const CERTIFICATE_DAYS = 397;
/** A certificate is made anew when it has no more than this left. */
const RENEWAL_MS = 30 * DAY_MS;
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const RSA = {
  name: 'RSASSA-PKCS1-v1_5',
  modulusLength: 3_072,
  publicExponent: new Uint8Array([1, 0, 1]),
  hash: 'SHA-256',
} as const;

/**
 * The authority of one installation and a certificate for each of its processes: `ca.pem`, `<name>.pem`, `<name>.key`.
 * What is there and still good stays.
 * @param days life of a certificate; a negative number makes one that is over
 * @param withRsa those of the names whose key is RSA, for servers that take no other (KurrentDB)
 */
export async function makeCertificates(
  folder: string,
  names: readonly string[],
  days = CERTIFICATE_DAYS,
  withRsa: readonly string[] = [],
): Promise<void> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const authority = await authorityIn(folder);
  for (const name of names) await certificateFor(name, folder, authority, days, withRsa.includes(name));
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

async function certificateFor(
  name: string,
  tls: string,
  { certificate: ca, key }: Authority,
  days: number,
  withRsa: boolean,
) {
  const [certFile, keyFile] = [join(tls, `${name}.pem`), join(tls, `${name}.key`)];
  if (existsSync(certFile) && existsSync(keyFile)) {
    const { notAfter } = new x509.X509Certificate(readFileSync(certFile, 'utf8'));
    if (notAfter.getTime() - Date.now() > RENEWAL_MS) return;
  }
  const keys = await webcrypto.subtle.generateKey(withRsa ? RSA : ALGORITHM, true, ['sign', 'verify']);
  const { digitalSignature, keyEncipherment } = x509.KeyUsageFlags;
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
      new x509.KeyUsagesExtension(withRsa ? digitalSignature | keyEncipherment : digitalSignature, true),
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
