import type { Log } from './log.js';

/** What a user may do with a stream, in the server's own keys: read, write, delete, and the same of its metadata. */
export type Action = '$r' | '$w' | '$d' | '$mr' | '$mw';
type Acl = Partial<Record<Action, string | readonly string[]>>;

const ADMINS = '$admins';
const ALL = '$all';
const OPEN: Acl = { $r: ALL, $w: ALL, $d: ALL, $mr: ALL, $mw: ALL };
const CLOSED: Acl = { $r: ADMINS, $w: ADMINS, $d: ADMINS, $mr: ADMINS, $mw: ADMINS };

/**
 * Whether the server would let a user do it: an administrator always; others by the stream policies when they are in
 * force (which takes a licence), else by the stream's ACL and the default ACL.
 */
export function may(log: Log, licensed: boolean, user: string, wanted: Action, name: string): boolean {
  if (user === 'admin') return true;
  const meta = name.startsWith('$$');
  const stream = meta ? name.slice(2) : name;
  const action = meta && (wanted === '$r' || wanted === '$w') ? (wanted === '$r' ? '$mr' : '$mw') : wanted;
  const acl = policiesInForce(log, licensed) ? policyOf(log, stream) : aclOf(log, stream);
  const roles = [acl[action] ?? (stream.startsWith('$') ? CLOSED : OPEN)[action]!].flat();
  return roles.includes(ALL) || roles.includes(user);
}

function policiesInForce(log: Log, licensed: boolean): boolean {
  const settings = lastOf<{ streamAccessPolicyType: string }>(log, '$authorization-policy-settings');
  return licensed && settings?.streamAccessPolicyType === 'streampolicy';
}

interface Policies {
  readonly streamPolicies: Readonly<Record<string, Acl>>;
  readonly streamRules: readonly { readonly startsWith: string; readonly policy: string }[];
  readonly defaultStreamRules: { readonly userStreams: string; readonly systemStreams: string };
}

function policyOf(log: Log, stream: string): Acl {
  const policies = lastOf<Policies>(log, '$policies');
  if (policies === undefined) return stream.startsWith('$') ? CLOSED : OPEN;
  const { streamPolicies, streamRules, defaultStreamRules } = policies;
  const rule = streamRules.find(({ startsWith }) => stream.startsWith(startsWith));
  const otherwise = stream.startsWith('$') ? defaultStreamRules.systemStreams : defaultStreamRules.userStreams;
  return streamPolicies[rule?.policy ?? otherwise]!;
}

function aclOf(log: Log, stream: string): Acl {
  const own = lastOf<{ $acl?: Acl }>(log, `$$${stream}`)?.$acl;
  const settings = lastOf<{ $userStreamAcl?: Acl; $systemStreamAcl?: Acl }>(log, '$settings');
  return { ...(stream.startsWith('$') ? settings?.$systemStreamAcl : settings?.$userStreamAcl), ...own };
}

function lastOf<T>(log: Log, stream: string): T | undefined {
  const last = log.stream(stream).at(-1);
  return last && (JSON.parse(last.data.toString('utf8')) as T);
}
