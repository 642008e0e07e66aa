import { setTimeout as sleep } from 'node:timers/promises';
import { jsonEvent, type KurrentDBClient, WrongExpectedVersionError } from '@kurrent/kurrentdb-client';
import { newId } from '#libs/kernel';
import { asAdmin, Connection } from './connection.js';
import { ID_CATEGORY } from './filters.js';
import { asRead, isForbidden } from './kurrent-errors.js';

/** A user of KurrentDB for one service. */
export interface KurrentServiceUser {
  readonly user: string;
  /** Stream categories that it appends to. */
  readonly categories: readonly string[];
}

/** How often, and how long apart, it is tried whether new policies are in force. */
const TRIES = 20;
const TRY_MS = 250;

const POLICY_SETTINGS = '$authorization-policy-settings';
const ADMINS = ['$admins'];
const NOBODY: readonly string[] = [];
const NEVER = 2n ** 62n;

/**
 * Keeps each service to its own stream categories by stream policies, which go by the prefix of the name and take a
 * licence. Nobody but an administrator may delete a stream or change its metadata. The database is the hub's alone:
 * policies that stand there are replaced.
 * @param adminUrl address with the name and password of an administrator
 * @param serviceUrl address of one of the services, to see by that the policies are in force
 * @throws Error in one sentence when they are not, as without a licence; then everything is as before
 */
export async function keepByPolicies(
  adminUrl: string,
  users: readonly KurrentServiceUser[],
  serviceUrl: string,
): Promise<void> {
  await asAdmin(adminUrl, async (client) => {
    await write(client, '$policies', '$policy-updated', policiesFor(users));
    await write(client, POLICY_SETTINGS, '$authorization-policy-changed', { streamAccessPolicyType: 'streampolicy' });
    for (let tries = 0; tries < TRIES; tries += 1) {
      if (await isKept(serviceUrl)) return;
      await sleep(TRY_MS);
    }
    // Left as it is, a server without a licence would let in nobody but administrators when it starts again.
    await write(client, POLICY_SETTINGS, '$authorization-policy-changed', { streamAccessPolicyType: 'acl' });
    throw new Error('this KurrentDB does not apply stream policies: they take a licence.');
  });
}

/**
 * What a server without a licence can do, by its default access list: no one but the services may read or append, and
 * nobody but an administrator may delete a stream or change its metadata. It cannot tell one category from another.
 */
export async function keepByAccessLists(adminUrl: string, users: readonly KurrentServiceUser[]): Promise<void> {
  const names = users.map(({ user }) => user);
  const closed = { $r: ADMINS, $w: ADMINS, $d: ADMINS, $mr: ADMINS, $mw: ADMINS };
  await asAdmin(adminUrl, async (client) => {
    await client.setStreamMetadata('$all', { acl: { readRoles: [...ADMINS, ...names] } });
    await write(client, '$settings', 'update-default-acl', {
      $userStreamAcl: { $r: names, $w: names, $d: NOBODY, $mr: names, $mw: NOBODY },
      $systemStreamAcl: closed,
    });
  });
}

function policiesFor(users: readonly KurrentServiceUser[]) {
  const names = users.map(({ user }) => user);
  const writtenBy = (writers: readonly string[]) => ({ $r: names, $w: writers, $d: NOBODY, $mr: names, $mw: NOBODY });
  return {
    streamPolicies: {
      ...Object.fromEntries(users.map(({ user }) => [`only-${user}`, writtenBy([user])])),
      services: writtenBy(names),
      nobody: writtenBy(NOBODY),
      admins: { $r: ADMINS, $w: ADMINS, $d: ADMINS, $mr: ADMINS, $mw: ADMINS },
    },
    streamRules: [
      ...users.flatMap(({ user, categories }) =>
        categories.map((category) => ({ startsWith: `${category}-`, policy: `only-${user}` })),
      ),
      { startsWith: `${ID_CATEGORY}-`, policy: 'services' },
      { startsWith: '$all', policy: 'nobody' },
    ],
    defaultStreamRules: { userStreams: 'nobody', systemStreams: 'admins' },
  };
}

async function write(client: KurrentDBClient, stream: string, type: string, data: object): Promise<void> {
  await client.appendToStream(stream, jsonEvent({ type, data: { ...data } }));
}

async function isKept(url: string): Promise<boolean> {
  const connection = await Connection.open(url, async () => undefined);
  try {
    return await isKeptByServer(connection.client);
  } finally {
    await connection.close();
  }
}

/**
 * Whether the server itself keeps a user from categories of others: asked by an append to a category of nobody that can
 * never be made, since it expects a revision that no stream has.
 */
export async function isKeptByServer(client: KurrentDBClient): Promise<boolean> {
  const events = [jsonEvent({ type: 'Probe', data: {} })];
  try {
    await client.multiStreamAppend([{ streamName: `nobody-${newId()}`, expectedState: NEVER, events }]);
  } catch (error) {
    if (isForbidden(error)) return true;
    if (error instanceof WrongExpectedVersionError) return false;
    throw asRead(error);
  }
  throw new Error('KurrentDB has taken an event at a revision that no stream has');
}
