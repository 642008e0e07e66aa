import { readFileSync } from 'node:fs';
import { type Server, ServerCredentials } from '@grpc/grpc-js';
import { Log } from './log.js';
import type { StandInFaults, StandInOptions } from './options.js';
import { serverOf } from './server.js';

/**
 * A stand-in for KurrentDB: it speaks the server's own gRPC protocol to the vendor's unmodified client, from memory or a
 * journal. It proves the use of the wire; it is not a server. The same specs run against a real one (KURRENTDB_URL).
 */
export interface KurrentStandIn {
  readonly port: number;
  /** Connection string for the client. */
  readonly url: string;
  readonly log: Log;
  readonly faults: StandInFaults;
  /** Connections cut so far. */
  readonly cuts: number;
  /** Is away until it comes back, with everything that was written. */
  goDown(): Promise<void>;
  comeBack(): Promise<void>;
  /** Cuts every connection and comes back at once, with everything that was written. */
  dropConnections(): Promise<void>;
  stop(): Promise<void>;
}

export async function startKurrentStandIn(options: StandInOptions = {}): Promise<KurrentStandIn> {
  const log = options.cluster?.log ?? new Log(options.journal);
  const faults: StandInFaults = {
    cutDuringAppend: 0,
    cutBeforeAppend: 0,
    cutAfterAppend: 0,
    silentAfterAppend: 0,
    held: 'nothing',
    cutAfterEvents: [],
  };
  let cuts = 0;
  let coming = Promise.resolve();
  let stopped = false;
  const host = options.tls === undefined ? '127.0.0.1' : 'localhost';
  const node = { log, faults, options, host, port: 0, cut: () => void dropConnections() };
  const begin = async (port: number): Promise<{ server: Server; port: number }> => {
    const server = serverOf(node);
    return { server, port: await bind(server, port, options) };
  };
  let running = await begin(options.port ?? 0);
  node.port = running.port;
  if (options.cluster !== undefined) {
    options.cluster.ports.push(node.port);
    options.cluster.leader ??= node.port;
  }
  function dropConnections(): Promise<void> {
    cuts += 1;
    running.server.forceShutdown();
    coming = coming.then(async () => {
      running.server.forceShutdown();
      if (!stopped) running = await begin(node.port);
    });
    return coming;
  }
  const goDown = async () => {
    await coming;
    running.server.forceShutdown();
  };
  return {
    port: node.port,
    url: `kurrentdb://${host}:${node.port}${options.tls === undefined ? '?tls=false' : ''}`,
    log,
    faults,
    get cuts() {
      return cuts;
    },
    dropConnections,
    goDown,
    comeBack: async () => {
      running = await begin(node.port);
    },
    stop: async () => {
      stopped = true;
      await goDown();
    },
  };
}

function bind(server: Server, port: number, { tls }: StandInOptions): Promise<number> {
  const credentials =
    tls === undefined
      ? ServerCredentials.createInsecure()
      : ServerCredentials.createSsl(
          tls.caFile === undefined ? null : readFileSync(tls.caFile),
          [{ cert_chain: readFileSync(tls.certFile), private_key: readFileSync(tls.keyFile) }],
          tls.caFile !== undefined,
        );
  return new Promise((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, credentials, (error, bound) => (error ? reject(error) : resolve(bound)));
  });
}
