import { setTimeout as sleep } from 'node:timers/promises';
import {
  status as code,
  type Metadata,
  Server,
  type ServerReadableStream,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { append, appendSession, batchAppend, type Judge, nameOf } from './appending.js';
import { denied, deniedV1, Failure, notLeader, notLeaderV1, userConflict } from './failures.js';
import type { Log } from './log.js';
import type { StandInFaults, StandInOptions } from './options.js';
import { features, gossip, pb, services, shared, userMessages } from './protocol.js';
import { read } from './reading.js';
import { type Action, may } from './rights.js';

/** One node as its services see it. */
interface Node {
  readonly log: Log;
  readonly faults: StandInFaults;
  readonly options: StandInOptions;
  readonly host: string;
  readonly port: number;
  /** Cuts all connections. */
  readonly cut: () => void;
}

const HOLD_MS = 20;

type Call = { readonly metadata: Metadata; emit(event: string, error: unknown): boolean };
type Done = (error: unknown, response?: unknown) => void;

/** A gRPC server with the services of KurrentDB that the client uses. */
export function serverOf(node: Node): Server {
  const { log, options } = node;
  const server = new Server({ 'grpc.max_receive_message_length': 64 * 1024 * 1024 });
  const version = options.version ?? '25.1.0';
  const multiStream = Number.parseFloat(version) >= 25.1;
  const sent = () => {
    const [left, ...rest] = node.faults.cutAfterEvents;
    if (left === undefined) return;
    node.faults.cutAfterEvents.splice(0, Number.POSITIVE_INFINITY, ...(left > 1 ? [left - 1] : []), ...rest);
    if (left <= 1) node.cut();
  };
  server.addService(services.streams, {
    read: (call: Parameters<typeof read>[1] & Call) => {
      const all = call.request.getOptions()!.getStream()?.getStreamIdentifier();
      const refused = refusal(node, call.metadata, '$r', all === undefined ? '$all' : nameOf(all));
      if (refused !== undefined) call.emit('error', refused);
      else read(log, call, { sent, released: () => released(node, 'everything') }).catch(() => undefined);
    },
    append: (call: Parameters<typeof append>[1], done: never) => append(judgeOf(node, call.metadata, 1), call, done),
    batchAppend: (call: Parameters<typeof batchAppend>[1]) => batchAppend(judgeOf(node, call.metadata, 1), call),
    delete: removal(node, 'deleted', pb.DeleteResp),
    tombstone: removal(node, 'tombstoned', pb.TombstoneResp),
  } as unknown as UntypedServiceImplementation);
  if (multiStream) {
    server.addService(services.streamsV2, {
      appendSession: (call: Parameters<typeof appendSession>[1], done: never) => {
        cutDuring(node, call);
        appendSession(judgeOf(node, call.metadata, 2), call, done);
      },
      appendRecords: (_call: never, done: Done) => done({ code: code.UNIMPLEMENTED, details: 'not in this stand-in' }),
    } as unknown as UntypedServiceImplementation);
  }
  server.addService(services.users, userServices(node));
  server.addService(services.gossip, {
    read: (_call: never, done: Done) => done(null, members(node)),
  } as unknown as UntypedServiceImplementation);
  server.addService(services.features, {
    // The client asks this without saying who it is.
    getSupportedMethods: (_call: never, done: Done) => done(null, supported(version, multiStream)),
  } as unknown as UntypedServiceImplementation);
  return server;
}

function cutDuring({ faults, cut }: Node, call: ServerReadableStream<unknown, unknown>): void {
  if (faults.cutDuringAppend === 0) return;
  call.once('data', () => {
    faults.cutDuringAppend -= 1;
    cut();
  });
}

/** Decides about an append in the protocol of the server's first or second generation. */
function judgeOf(node: Node, metadata: Metadata, generation: 1 | 2): Judge {
  const { log, faults, options, cut } = node;
  return async (writes) => {
    await released(node, 'appends');
    const user = userOf(metadata, options);
    if (user instanceof Failure) return user;
    const foreign = writes.find(({ stream }) => user !== undefined && !allowed(node, user, '$w', stream));
    if (foreign !== undefined) {
      return generation === 1 ? deniedV1() : denied(`streams:write:${foreign.stream}`.toLowerCase());
    }
    const leader = leaderElsewhere(node);
    if (leader !== undefined && (generation === 2 || wantsLeader(metadata))) {
      return generation === 1 ? notLeaderV1(node.host, leader) : notLeader(node.host, leader);
    }
    if (faults.cutBeforeAppend > 0) {
      faults.cutBeforeAppend -= 1;
      cut();
      return undefined;
    }
    const outcome = log.write(writes);
    if (faults.cutAfterAppend > 0) {
      faults.cutAfterAppend -= 1;
      cut();
      return undefined;
    }
    if (faults.silentAfterAppend > 0) {
      faults.silentAfterAppend -= 1;
      return undefined;
    }
    return outcome;
  };
}

/** Resolves when calls of a kind are answered. */
async function released({ faults }: Node, kind: 'appends' | 'everything'): Promise<void> {
  while (faults.held === 'everything' || faults.held === kind) await sleep(HOLD_MS);
}

/** Why a call of the first protocol is refused. */
function refusal(node: Node, metadata: Metadata, action: Action, stream: string): Failure | undefined {
  const user = userOf(metadata, node.options);
  if (user instanceof Failure) return user;
  if (user !== undefined && !allowed(node, user, action, stream)) return deniedV1();
  const leader = leaderElsewhere(node);
  return leader !== undefined && wantsLeader(metadata) ? notLeaderV1(node.host, leader) : undefined;
}

function allowed({ log, options }: Node, user: string, action: Action, stream: string): boolean {
  return may(log, options.licensed ?? false, user, action, stream);
}

function leaderElsewhere({ options, port }: Node): number | undefined {
  const leader = options.cluster?.leader;
  return leader === port ? undefined : leader;
}

function wantsLeader(metadata: Metadata): boolean {
  return String(metadata.get('requires-leader')[0]).toLowerCase() === 'true';
}

/** Who is calling; undefined where nobody need say. */
function userOf(metadata: Metadata, { users }: StandInOptions): string | undefined | Failure {
  if (users === undefined) return undefined;
  const [, encoded] = /^Basic (.+)$/.exec(String(metadata.get('authorization')[0] ?? '')) ?? [];
  const [, name = '', password] = /^([^:]*):(.*)$/s.exec(Buffer.from(encoded ?? '', 'base64').toString('utf8')) ?? [];
  const known = Object.hasOwn(users, name) && users[name] === password;
  return known ? name : new Failure(code.UNAUTHENTICATED, 'authentication failed');
}

/** Users are made and changed by the administrator, in the record that the stand-in was started with. */
function userServices({ options }: Node): UntypedServiceImplementation {
  type Request = { getLoginName(): string; getPassword?(): string; getNewPassword?(): string };
  const change = (Response: new () => unknown, isNew: boolean) => {
    return (call: Call & { request: { getOptions(): Request | undefined } }, done: Done) => {
      const { users } = options;
      const wanted = call.request.getOptions()!;
      const name = wanted.getLoginName();
      if (users === undefined || userOf(call.metadata, options) !== 'admin') return done(deniedV1());
      if (isNew && Object.hasOwn(users, name)) return done(userConflict(name));
      users[name] = wanted.getPassword?.() ?? wanted.getNewPassword?.() ?? '';
      done(null, new Response());
    };
  };
  return {
    create: change(userMessages.CreateResp, true),
    resetPassword: change(userMessages.ResetPasswordResp, false),
  } as unknown as UntypedServiceImplementation;
}

function removal(node: Node, how: 'deleted' | 'tombstoned', Response: new () => unknown) {
  return (call: Call & { request: InstanceType<typeof pb.DeleteReq> }, done: Done) => {
    const stream = nameOf(call.request.getOptions()!.getStreamIdentifier()!);
    const refused = refusal(node, call.metadata, '$d', stream);
    if (refused !== undefined) return done(refused);
    node.log.delete(stream, how);
    done(null, new Response());
  };
}

function members({ options: { cluster }, host, port }: Node): unknown {
  const list = (cluster?.ports ?? [port]).map((each, i) => {
    const leads = cluster === undefined || each === cluster.leader;
    const { LEADER, FOLLOWER } = gossip.MemberInfo.VNodeState;
    const member = new gossip.MemberInfo();
    member.setInstanceId(new shared.UUID().setString(`00000000-0000-4000-8000-00000000000${i}`));
    member.setState(leads ? LEADER : FOLLOWER);
    member.setIsAlive(true);
    member.setHttpEndPoint(new gossip.EndPoint().setAddress(host).setPort(each));
    return member;
  });
  return new gossip.ClusterInfo().setMembersList(list);
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
