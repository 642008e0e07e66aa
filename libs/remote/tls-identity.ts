import { X509Certificate } from 'node:crypto';
import type { PeerCertificate, SecureContextOptions } from 'node:tls';
import { badSetting, readNamedFile, type TlsFiles } from '#libs/platform';

/**
 * Who a process is towards the others: its certificate, whose common name is the service's, signed by the authority of
 * the installation. A name in the certificate counts, not an address: replicas may live anywhere.
 */
export class TlsIdentity {
  readonly name: string;
  readonly notAfter: Date;
  readonly #context: SecureContextOptions;

  /** @throws Refusal `platform.bad-configuration` in one sentence: missing, malformed, expired, not of this authority */
  constructor(files: TlsFiles, now = Date.now()) {
    const cert = readNamedFile('TLS_CERT_FILE', files.certFile);
    const key = readNamedFile('TLS_KEY_FILE', files.keyFile);
    const ca = readNamedFile('TLS_CA_FILE', files.caFile);
    const own = parse('TLS_CERT_FILE', cert);
    if (!own.verify(parse('TLS_CA_FILE', ca).publicKey)) {
      throw badSetting('TLS_CERT_FILE', 'the certificate is not signed by the authority in MINGJING_TLS_CA_FILE');
    }
    this.name = /^CN=(.+)$/m.exec(own.subject)?.[1] ?? '';
    if (this.name === '') throw badSetting('TLS_CERT_FILE', 'the certificate has no common name');
    this.notAfter = new Date(own.validTo);
    if (now > this.notAfter.getTime()) {
      throw badSetting('TLS_CERT_FILE', `the certificate of ${this.name} expired on ${this.notAfter.toISOString()}`);
    }
    if (now < Date.parse(own.validFrom)) {
      throw badSetting('TLS_CERT_FILE', `the certificate of ${this.name} is not valid before ${own.validFrom}`);
    }
    this.#context = { cert, key, ca, minVersion: 'TLSv1.3' };
  }

  /** For a server that lets in only those whose certificate the authority has signed. */
  serverOptions() {
    return { ...this.#context, requestCert: true, rejectUnauthorized: true } as const;
  }

  /** For connections to one service and no other. */
  clientOptions(service: string) {
    return {
      ...this.#context,
      servername: service,
      checkServerIdentity: (_host: string, { subject }: PeerCertificate) =>
        subject?.CN === service ? undefined : new Error(`${subject?.CN} answers in the place of ${service}`),
    };
  }
}

function parse(setting: string, pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw badSetting(setting, 'does not hold a certificate in PEM');
  }
}
