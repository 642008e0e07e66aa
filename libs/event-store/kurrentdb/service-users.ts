import { createRequire } from 'node:module';
import type { KurrentDBClient } from '@kurrent/kurrentdb-client';
import { asAdmin } from './connection.js';
import { type KurrentServiceUser, keepByAccessLists, keepByPolicies } from './stream-rights.js';

/** A user of KurrentDB that is to be there, with its password. */
export interface KurrentUserToMake extends KurrentServiceUser {
  /** At least 8 printable ASCII characters. */
  readonly password: string;
}

type Messages = typeof import('@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1/usermanagement_pb.js');
const require = createRequire(import.meta.url);
const generated = '@kurrent/kurrentdb-client/generated/kurrentdb/protocols/v1';
const messages = require(`${generated}/usermanagement_pb`) as Messages;
const { UsersClient } = require(`${generated}/usermanagement_grpc_pb`) as { UsersClient: unknown };

/**
 * Makes a user of KurrentDB a service, or gives an existing one its password, and lets each append to its own stream
 * categories, as far as the server can: {@link keepByPolicies}, {@link keepByAccessLists}.
 * @param adminUrl address with the name and password of an administrator
 * @throws Error in one sentence when the server cannot keep them so
 */
export async function createKurrentUsers(
  adminUrl: string,
  users: readonly KurrentUserToMake[],
  keepBy: 'policies' | 'access-lists',
): Promise<void> {
  await asAdmin(adminUrl, async (client) => {
    for (const user of users) await makeUser(client, user);
  });
  const [first] = users;
  if (first === undefined) return;
  if (keepBy === 'access-lists') await keepByAccessLists(adminUrl, users);
  else await keepByPolicies(adminUrl, users, kurrentUrlOf(adminUrl, first.user, first.password));
}

/** An address of KurrentDB with another name and password. */
export function kurrentUrlOf(url: string, user: string, password: string): string {
  const credentials = `${encodeURIComponent(user)}:${encodeURIComponent(password)}@`;
  return url.replace(/^([^:]+:\/\/)(?:[^@/]*@)?/, (_, scheme: string) => scheme + credentials);
}

async function makeUser(client: KurrentDBClient, { user, password }: KurrentUserToMake): Promise<void> {
  const { CreateReq, ResetPasswordReq } = messages;
  const create = new CreateReq.Options().setLoginName(user).setFullName(user).setPassword(password);
  try {
    await call(client, 'create', new CreateReq().setOptions(create));
  } catch (error) {
    if (exceptionOf(error) !== 'user-conflict') throw error;
    const reset = new ResetPasswordReq.Options().setLoginName(user).setNewPassword(password);
    await call(client, 'resetPassword', new ResetPasswordReq().setOptions(reset));
  }
}

type Method = 'create' | 'resetPassword';
type Users = Readonly<Record<Method, (...args: unknown[]) => void>>;

/** The parts of the client that its own calls are made of; it has no call for users. */
interface Calling {
  execute(service: unknown, name: string, act: (users: Users) => Promise<void>): Promise<void>;
  callArguments(options: { requiresLeader: boolean }): unknown[];
}

function call(client: KurrentDBClient, method: Method, request: unknown): Promise<void> {
  const calling = client as unknown as Calling;
  return calling.execute(UsersClient, method, (users) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const done = (error: unknown) => (error === null ? resolve() : reject(error));
    users[method](request, ...calling.callArguments({ requiresLeader: true }), done);
    return promise;
  });
}

function exceptionOf(error: unknown): unknown {
  const { metadata } = error as { metadata?: { get?(key: string): unknown[] } };
  return metadata?.get?.('exception')[0];
}
