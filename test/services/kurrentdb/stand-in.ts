import { readFileSync } from 'node:fs';
import {
  status as code,
  Metadata as GrpcMetadata,
  type Metadata,
  Server,
  ServerCredentials,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { append, appendSession, batchAppend, Failure, type Judge, nameOf } from './appending.js';
import { Log } from './log.js';
import { features, gossip, pb, services, shared } from './protocol.js';
import { read } from './reading.js';

export interface StandInOptions {
  readonly port?: number;
  /** Keeps events across restarts. */
  readonly journal?: string;
  /** Version that it says it is; below 25.1 it has no multi-stream append. Default 25.1.0. */
  readonly version?: string;
  /** PEM files; without them it speaks plain HTTP/2. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string; readonly caFile?: string };
  /** Passwords by user; with them every call needs one. A user may append to the categories named only. */
  readonly users?: Readonly<Record<string, { readonly password: string; readonly categories?: readonly string[] }>>;
}

/** What can be made to go wrong with the next appends. */
export interface StandInFaults {
  /** The connection breaks before so many of the next appends are written. */
  breakBefore: number;
  /** The connection breaks after they are written, before they are answered. */
  breakAfter: number;
  /** They are refused because the node is no leader any more; the leader is at this port. */
  notLeader: { times: number; port: number } | undefined;
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
  /** Cuts every connection and comes back at once, with everything that was written. */
  dropConnections(): Promise<void>;
  stop(): Promise<void>;
}

export async function startKurrentStandIn(options: StandInOptions = {}): Promise<KurrentStandIn> {
  const log = new Log(options.journal);
  const faults: StandInFaults = { breakBefore: 0, breakAfter: 0, notLeader: undefined };
  let server = serverOf(log, faults, options, () => port);
  let port = await bind(server, options.port ?? 0, options);
  const scheme =
    options.tls === undefined ? `kurrentdb://127.0.0.1:${port}?tls=false` : `kurrentdb://localhost:${port}`;
  return {
    get port() {
      return port;
    },
    url: scheme,
    log,
    faults,
    dropConnections: async () => {
      server.forceShutdown();
      server = serverOf(log, faults, options, () => port);
      port = await bind(server, port, options);
    },
    stop: async () => server.forceShutdown(),
  };
}

function bind(server: Server, port: number, { tls }: StandInOptions): Promise<number> {
  const credentials =
    tls === undefined
      ? ServerCredentials.createInsecure()
      : ServerCredentials.createSsl(
          tls.caFile === undefined ? null : readFileSync(tls.caFile),
          [{ cert_chain: readFileSync(tls.certFile), private_key: readFileSync(tls.keyFile) }],
          false,
        );
  return new Promise((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, credentials, (error, bound) => (error ? reject(error) : resolve(bound)));
  });
}

function serverOf(log: Log, faults: StandInFaults, options: StandInOptions, port: () => number): Server {
  const server = new Server({ 'grpc.max_receive_message_length': 64 * 1024 * 1024 });
  const version = options.version ?? '25.1.0';
  const multiStream = Number.parseFloat(version) >= 25.1;
  const judgeOf =
    (metadata: Metadata): Judge =>
    (writes) => {
      const user = userOf(metadata, options);
      if (user instanceof Failure) return user;
      const foreign = writes.find(({ stream }) => user?.categories?.includes(stream.split('-')[0]!) === false);
      if (foreign !== undefined) return denied();
      return judge(log, faults, writes);
    };
  const guarded =
    <C extends { metadata: Metadata }>(act: (call: C) => void) =>
    (call: C & { emit(event: string, error: unknown): boolean }) => {
      const user = userOf(call.metadata, options);
      if (user instanceof Failure) call.emit('error', user);
      else act(call);
    };

  server.addService(services.streams, {
    read: guarded((call: never) => void read(log, call).catch(() => undefined)),
    append: (call: never, done: never) => append(judgeOf((call as { metadata: Metadata }).metadata), call, done),
    batchAppend: (call: never) => batchAppend(judgeOf((call as { metadata: Metadata }).metadata), call),
    delete: removal(log, 'deleted', pb.DeleteResp),
    tombstone: removal(log, 'tombstoned', pb.TombstoneResp),
  } as unknown as UntypedServiceImplementation);
  if (multiStream) {
    server.addService(services.streamsV2, {
      appendSession: (call: never, done: never) =>
        appendSession(judgeOf((call as { metadata: Metadata }).metadata), call, done),
      appendRecords: (_call: never, done: (error: unknown) => void) =>
        done({ code: code.UNIMPLEMENTED, details: 'not in this stand-in' }),
    } as unknown as UntypedServiceImplementation);
  }
  server.addService(services.gossip, {
    read: (_call: never, done: (error: null, info: unknown) => void) => done(null, cluster(port())),
  } as unknown as UntypedServiceImplementation);
  server.addService(services.features, {
    getSupportedMethods: (_call: never, done: (error: null, methods: unknown) => void) =>
      done(null, supported(version, multiStream)),
  } as unknown as UntypedServiceImplementation);
  return server;
}

function judge(log: Log, faults: StandInFaults, writes: Parameters<Judge>[0]): ReturnType<Judge> {
  if (faults.notLeader !== undefined && faults.notLeader.times > 0) {
    faults.notLeader.times -= 1;
    const metadata = new GrpcMetadata();
    metadata.set('exception', 'not-leader');
    metadata.set('leader-endpoint-host', '127.0.0.1');
    metadata.set('leader-endpoint-port', String(faults.notLeader.port));
    return new Failure(code.NOT_FOUND, 'Leader info available', metadata);
  }
  if (faults.breakBefore > 0) {
    faults.breakBefore -= 1;
    return new Failure(code.UNAVAILABLE, 'connection reset');
  }
  const outcome = log.write(writes);
  if (faults.breakAfter > 0) {
    faults.breakAfter -= 1;
    return new Failure(code.UNAVAILABLE, 'connection reset');
  }
  return outcome;
}

type User = NonNullable<StandInOptions['users']>[string];

function userOf(metadata: Metadata, { users }: StandInOptions): User | undefined | Failure {
  if (users === undefined) return undefined;
  const [, encoded] = /^Basic (.+)$/.exec(String(metadata.get('authorization')[0] ?? '')) ?? [];
  const [name = '', password] = Buffer.from(encoded ?? '', 'base64')
    .toString('utf8')
    .split(':');
  const user = users[name];
  return user !== undefined && user.password === password
    ? user
    : new Failure(code.UNAUTHENTICATED, 'authentication failed');
}

function denied(): Failure {
  const metadata = new GrpcMetadata();
  metadata.set('exception', 'access-denied');
  return new Failure(code.PERMISSION_DENIED, 'Access Denied', metadata);
}

function removal(log: Log, how: 'deleted' | 'tombstoned', Response: new () => unknown) {
  return (call: { request: InstanceType<typeof pb.DeleteReq> }, done: (error: null, response: unknown) => void) => {
    log.delete(nameOf(call.request.getOptions()!.getStreamIdentifier()!), how);
    done(null, new Response());
  };
}

function cluster(port: number): unknown {
  const member = new gossip.MemberInfo();
  member.setInstanceId(new shared.UUID().setString('00000000-0000-4000-8000-000000000001'));
  member.setState(gossip.MemberInfo.VNodeState.LEADER);
  member.setIsAlive(true);
  member.setHttpEndPoint(new gossip.EndPoint().setAddress('127.0.0.1').setPort(port));
  return new gossip.ClusterInfo().setMembersList([member]);
}

function supported(version: string, multiStream: boolean): unknown {
  const methods = [
    ...['Read', 'Append', 'BatchAppend', 'Delete', 'Tombstone'].map((name) => [
      'event_store.client.streams.Streams',
      name,
    ]),
    ...(multiStream ? [['kurrentdb.protocol.v2.streams.StreamsService', 'AppendSession']] : []),
  ].map(([service, name]) =>
    new features.SupportedMethod().setServiceName(service!.toLowerCase()).setMethodName(name!.toLowerCase()),
  );
  return new features.SupportedMethods().setEventStoreServerVersion(version).setMethodsList(methods);
}
