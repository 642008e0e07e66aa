import { readFileSync } from 'node:fs';
import { type Server, ServerCredentials } from '@grpc/grpc-js';
import { Log } from './log.js';
import { serverOf } from './server.js';

export interface StandInOptions {
  readonly port?: number;
  /** Keeps events across restarts. */
  readonly journal?: string;
  /** Version that it says it is; below 25.1 it has no multi-stream append. Default 25.1.0. */
  readonly version?: string;
  /** PEM files; without them it speaks plain HTTP/2. With `caFile` it wants a certificate of that authority from users. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string; readonly caFile?: string };
  /** Passwords by user; with them every call needs one. `admin` may do everything, others what {@link may} says. */
  readonly users?: Readonly<Record<string, string>>;
  /** Whether it has the licence that stream policies take. */
  readonly licensed?: boolean;
  /** Makes it a node of a cluster; the first node leads. */
  readonly cluster?: Cluster;
}

/** Nodes that hold one log; one of them leads. */
export interface Cluster {
  readonly log: Log;
  readonly ports: number[];
  leader: number | undefined;
}

/** What can be made to go wrong, so many times. */
export interface StandInFaults {
  /** The connection is cut when the first part of an append has come. */
  cutDuringAppend: number;
  /** The connection is cut before an append is written. */
  cutBeforeAppend: number;
  /** The connection is cut after an append is written, before it is answered. */
  cutAfterAppend: number;
  /** An append is written and never answered. */
  silentAfterAppend: number;
  /** The connections are cut when so many more events have been read or followed, then again after the next number. */
  readonly cutAfterEvents: number[];
}

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
  return {
    port: node.port,
    url: `kurrentdb://${host}:${node.port}${options.tls === undefined ? '?tls=false' : ''}`,
    log,
    faults,
    get cuts() {
      return cuts;
    },
    dropConnections,
    stop: async () => {
      stopped = true;
      await coming;
      running.server.forceShutdown();
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
