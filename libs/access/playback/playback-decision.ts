import type { Refusal } from '#libs/kernel';
import { accessRefusals } from '../access.refusals.js';
import { type GrantState, grantInForce } from '../grant/grant.decider.js';
import type { GrantIssued } from '../grant/grant.events.js';
import { credentialNow, credentialProblem } from '../retrieval-session/retrieval-conditions.js';
import type { RetrievalSessionState } from '../retrieval-session/retrieval-session.decider.js';
import { type CameraFact, ms, type PersonFact } from '../terms.js';
import type { PlaybackAsk } from './playback.events.js';

/** Who wants to play: ids only. */
export interface Asker {
  readonly kind: 'person' | 'client';
  readonly id: string;
  readonly organisationId: string;
  /** Whether the records know the asker as not deactivated now. */
  readonly active: boolean;
}

/** Everything that a decision rests on: grant and session from their own streams, the rest as the records say now. */
export interface DecisionFacts {
  readonly asker: Asker;
  readonly grant: GrantState;
  readonly session: RetrievalSessionState;
  readonly camera: CameraFact | undefined;
  /** The investigators of the session. */
  readonly persons: readonly PersonFact[];
}

export interface ExportAsk {
  readonly grantId: string;
  readonly sessionId?: string | undefined;
  readonly cameraId: string;
  readonly from: string;
  readonly to: string;
}

/**
 * The one decision behind every frame: may this asker play this camera now? Asked before the ticket, when the player
 * starts, at each renewal and while it plays.
 * @returns the latest moment until which the decision can hold, ISO 8601
 * @throws Refusal the first rule that says no
 */
export function decidePlayback(ask: PlaybackAsk, facts: DecisionFacts, at: string): string {
  const { grant, until } = opened(ask, facts, at);
  const live = ask.mode === 'live';
  const acts = live ? (['view', 'connect', 'direct-use'] as const) : (['view'] as const);
  if (!acts.some((act) => grant.acts.includes(act))) throw accessRefusals['access.act-not-granted'](acts.join(' or '));
  if (live) {
    if (!grant.live) throw accessRefusals['access.live-not-granted']('recordings only');
    if (facts.camera?.integrated !== true) throw accessRefusals['access.connection-closed'](`camera ${ask.cameraId}`);
    if (grant.basis === 'gz117:7' && facts.camera.funding !== 'government') {
      throw accessRefusals['access.not-government-funded'](`camera ${ask.cameraId}`);
    }
  } else {
    insideWindow(grant, ask.from, ask.to);
  }
  return until;
}

/**
 * May this asker export a range now? Needs the act `copy` or `retrieve`, and all that playing needs.
 * @throws Refusal the first rule that says no
 */
export function decideExport(ask: ExportAsk, facts: DecisionFacts, at: string): string {
  const { grant, until } = opened(ask, facts, at);
  if (!grant.acts.includes('copy') && !grant.acts.includes('retrieve')) {
    throw accessRefusals['access.act-not-granted']('copy or retrieve');
  }
  insideWindow(grant, ask.from, ask.to);
  return until;
}

type Subject = Pick<PlaybackAsk, 'grantId' | 'sessionId' | 'cameraId'>;

function opened(ask: Subject, facts: DecisionFacts, at: string): { grant: GrantIssued; until: string } {
  const grant = grantInForce(facts.grant, at);
  const { asker } = facts;
  const named = asker.kind === 'client' ? asker.id === grant.clientId : grant.personIds.includes(asker.id);
  if (!named || !asker.active || asker.organisationId !== grant.organisationId) {
    throw accessRefusals['access.not-holder']('named people or client of the holder only');
  }
  if (!grant.cameraIds.includes(ask.cameraId)) {
    throw accessRefusals['access.camera-not-granted'](`camera ${ask.cameraId}`);
  }
  // Art. 16 binds every use under Art. 15; a standing share under Art. 7 needs no session.
  const ends = grant.basis === 'gz117:7' ? ms(grant.validTo) : sessionEnd(ask, facts, at);
  return { grant, until: new Date(Math.min(ends, ms(grant.validTo))).toISOString() };
}

function sessionEnd(ask: Subject, { session, asker, persons }: DecisionFacts, at: string): number {
  if (session.status !== 'started' || session.grantId !== ask.grantId) {
    throw accessRefusals['access.session-not-started'](
      session.status === 'closed' ? 'the session is closed' : 'sessionId of a started session of this grant',
    );
  }
  if (ms(at) >= ms(session.endsAt)) throw accessRefusals['access.session-not-started'](`ended at ${session.endsAt}`);
  if (!session.investigatorIds.includes(asker.id)) {
    throw accessRefusals['access.not-investigator']('not one of the investigators of the session');
  }
  const ends = [ms(session.endsAt)];
  for (const checkIn of session.checkIns) {
    if (!session.investigatorIds.includes(checkIn.personId)) continue;
    const credential = credentialNow(checkIn, persons);
    const problem: Refusal | undefined = credentialProblem(credential, at);
    if (problem !== undefined) throw problem;
    ends.push(ms(credential!.validTo));
  }
  return Math.min(...ends);
}

function insideWindow(grant: GrantIssued, from: string | undefined, to: string | undefined): void {
  const { window } = grant;
  if (from === undefined || to === undefined) throw accessRefusals['access.window-invalid']('from and to');
  if (!(ms(from) < ms(to))) throw accessRefusals['access.window-invalid']('from before to');
  if (window === undefined || ms(from) < ms(window.from) || ms(to) > ms(window.to)) {
    const granted = window === undefined ? 'live only' : `${window.from} to ${window.to}`;
    throw accessRefusals['access.outside-window'](`granted: ${granted}`);
  }
}
