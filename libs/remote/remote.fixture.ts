import { mkdtempSync, rmSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { createServer, type Server } from 'node:https';
import { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeCertificates } from './authority.js';
import { TlsIdentity } from './tls-identity.js';

/** Certificates of one installation in a folder of their own. */
export interface Certificates {
  readonly folder: string;
  identity(name: string): TlsIdentity;
  remove(): void;
}

export async function certificates(names: readonly string[], days?: number): Promise<Certificates> {
  const folder = mkdtempSync(join(tmpdir(), 'mingjing-remote-'));
  await makeCertificates(folder, names, days);
  return {
    folder,
    identity: (name) => new TlsIdentity(files(folder, name)),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

export function files(folder: string, name: string) {
  return {
    certFile: join(folder, `${name}.pem`),
    keyFile: join(folder, `${name}.key`),
    caFile: join(folder, 'ca.pem'),
  };
}

/** A replica that answers as the spec says. */
export interface FakeReplica {
  readonly url: string;
  readonly seen: string[];
  stop(): Promise<void>;
}

export async function replica(identity: TlsIdentity, answer: RequestListener, port = 0): Promise<FakeReplica> {
  const seen: string[] = [];
  const server: Server = createServer(identity.serverOptions(), (request, response) => {
    seen.push(`${request.method} ${request.url}`);
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
