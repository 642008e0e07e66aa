/**
 * The law said again, without a line of the deciders: predicates over the plain history of what people did. It knows
 * acts that were let through and their inputs, not the events that the deciders made of them.
 */

const MINUTE_MS = 60_000;
const time = (iso: string) => new Date(iso).getTime();

export interface Paper {
  readonly id: string;
  readonly issuer: string;
  readonly validFrom: string;
  readonly validTo: string;
}

/** One act that was let through, with when and by whom. */
export type Deed = { readonly at: string; readonly by: string } & (
  | {
      readonly did: 'request';
      readonly request: number;
      readonly basis: string;
      readonly acts: readonly string[];
      readonly live: boolean;
      readonly window: { readonly from: string; readonly to: string } | undefined;
      readonly cameraIds: readonly string[];
      readonly investigators: readonly string[];
      readonly client: string | undefined;
      readonly certificate: string | undefined;
      readonly validTo: string;
    }
  | {
      readonly did: 'approve';
      readonly request: number;
      readonly grant: number;
      readonly bureau: boolean;
      readonly to: { from: string; to: string } | undefined;
      readonly validTo: string | undefined;
    }
  | { readonly did: 'revoke'; readonly grant: number }
  | { readonly did: 'open'; readonly session: number; readonly grant: number }
  | {
      readonly did: 'check in';
      readonly session: number;
      readonly signedInAt: string;
      readonly paper: Paper | undefined;
    }
  | { readonly did: 'show document'; readonly session: number; readonly sha256: string }
  | { readonly did: 'register'; readonly session: number; readonly entry: Readonly<Record<string, string | undefined>> }
  | { readonly did: 'sign undertaking'; readonly session: number }
  | { readonly did: 'start' | 'close'; readonly session: number }
  | { readonly did: 'withdraw credential'; readonly paperId: string }
);

type Did<D extends Deed['did']> = Extract<Deed, { did: D }>;

/** What the hub let somebody play, at one instant. */
export interface Ticket {
  readonly at: string;
  readonly holder: string;
  readonly grant: number;
  readonly session: number | undefined;
  readonly cameraId: string;
  readonly mode: 'live' | 'recorded';
  readonly from: string | undefined;
  readonly to: string | undefined;
  readonly until: string;
}

/** Why a ticket is unlawful; undefined when it is lawful. */
export function unlawful(history: readonly Deed[], ticket: Ticket): string | undefined {
  const of = <D extends Deed['did']>(did: D) => history.filter((d): d is Did<D> => d.did === did);
  const approval = of('approve').find(({ grant }) => grant === ticket.grant);
  const request = of('request').find((r) => r.request === approval?.request);
  if (approval === undefined || request === undefined) return 'no approved request';

  // Article 15: approved by a responsible person who neither asked nor investigates
  if (!approval.bureau) return 'approved by no responsible person';
  if (approval.by === request.by) return 'approved by the requester';
  if (request.investigators.includes(approval.by)) return 'approved by an investigator';

  // The grant, at this instant
  const ends = Math.min(time(request.validTo), time(approval.validTo ?? request.validTo));
  if (time(ticket.at) >= ends) return 'the grant is over';
  if (time(ticket.until) > ends) return 'longer than the grant';
  if (of('revoke').some(({ grant }) => grant === ticket.grant)) return 'revoked';
  if (!request.investigators.includes(ticket.holder) && request.client !== ticket.holder) return 'not the holder';
  if (!request.cameraIds.includes(ticket.cameraId)) return 'another camera';
  if (!request.acts.includes('view')) return 'not to be viewed';
  if (ticket.mode === 'live' && !request.live) return 'not live';
  if (ticket.mode === 'recorded') {
    for (const window of [request.window, approval.to ?? request.window]) {
      const inside = window !== undefined && ticket.from !== undefined && ticket.to !== undefined;
      if (!inside || time(ticket.from) < time(window.from) || time(ticket.to) > time(window.to)) return 'outside';
    }
  }
  return request.basis === 'gz117:7' ? undefined : withoutConditions(history, ticket, request);
}

/** Which of the five conditions of Article 16 does not hold. */
function withoutConditions(history: readonly Deed[], ticket: Ticket, request: Did<'request'>): string | undefined {
  const here = history.filter((d) => 'session' in d && d.session === ticket.session);
  const opened = here.find((d) => d.did === 'open');
  const start = here.findIndex((d) => d.did === 'start');
  if (opened?.did !== 'open' || opened.grant !== ticket.grant || start < 0) return 'no session of the grant';
  if (here.some((d) => d.did === 'close')) return 'the session is closed';
  const before = here.slice(0, start);
  const startedAt = here[start]!.at;
  const signed = before.filter((d) => d.did === 'sign undertaking').map((d) => d.by);
  const withdrawn = history.filter((d) => d.did === 'withdraw credential').map((d) => d.paperId);

  const holds = ({ paper }: Did<'check in'>, at: string) =>
    paper !== undefined &&
    ['provincial-government', 'state-council-ministry'].includes(paper.issuer) &&
    time(paper.validFrom) <= time(at) &&
    time(at) < time(paper.validTo);
  const good = before.filter(
    (d): d is Did<'check in'> =>
      d.did === 'check in' &&
      request.investigators.includes(d.by) &&
      [d.at, startedAt, ticket.at].every((at) => holds(d, at)) &&
      !withdrawn.includes(d.paper?.id ?? '') &&
      time(d.at) - time(d.signedInAt) <= 10 * MINUTE_MS,
  );
  const together = good.some((a) =>
    good.some(
      (b) =>
        a.by !== b.by &&
        Math.abs(time(a.signedInAt) - time(b.signedInAt)) <= 10 * MINUTE_MS &&
        signed.includes(a.by) &&
        signed.includes(b.by) &&
        [a.by, b.by].includes(ticket.holder),
    ),
  );
  if (!together) return '16(1), 16(2), 16(5): no two investigators together with credentials and undertakings';
  const shown = before.findLast((d) => d.did === 'show document');
  if (shown?.did !== 'show document' || shown.sha256 !== request.certificate) return '16(3): no document';
  const register = before.findLast((d) => d.did === 'register');
  const parts = ['recorderId', 'retrieverId', 'retrievedAt', 'purpose', 'destination'];
  if (register?.did !== 'register' || parts.some((part) => (register.entry[part] ?? '') === ''))
    return '16(4): register';
  return undefined;
}
