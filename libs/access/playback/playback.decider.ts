import { assertNever, type Decider, Refusal, type RuleId, type StreamDefinition } from '#libs/kernel';
import { accessRefusals } from '../access.refusals.js';
import type { Window } from '../terms.js';
import {
  type ClipDecisionEvent,
  clipDecisionEvents,
  type PlaybackAsk,
  type PlaybackAuthorised,
  type PlaybackEvent,
  playbackEvents,
} from './playback.events.js';
import { type DecisionFacts, decideExport, decidePlayback, type ExportAsk } from './playback-decision.js';

export type PlaybackCommand =
  | {
      readonly type: 'AuthorisePlayback';
      readonly at: string;
      readonly ask: PlaybackAsk;
      readonly facts: DecisionFacts;
    }
  /** The media gateway is about to send the first byte. */
  | { readonly type: 'StartPlayback'; readonly at: string; readonly facts: DecisionFacts }
  | { readonly type: 'StopPlayback'; readonly reason: string; readonly ranges: readonly Window[] };

export type PlaybackState =
  | { readonly status: 'none' }
  | { readonly status: 'denied' }
  | { readonly status: 'authorised' | 'playing' | 'stopped'; readonly authorised: PlaybackAuthorised };

function decide(command: PlaybackCommand, state: PlaybackState): readonly PlaybackEvent[] {
  switch (command.type) {
    case 'AuthorisePlayback':
      return authorise(command, state);
    case 'StartPlayback': {
      const authorised = running(state);
      decidePlayback(authorised, command.facts, command.at);
      return state.status === 'playing' ? [] : [{ type: 'PlaybackStarted', data: subjectOf(authorised) }];
    }
    case 'StopPlayback': {
      if (state.status === 'none' || state.status === 'denied') throw unknown();
      if (state.status === 'stopped') return [];
      const { reason, ranges } = command;
      return [{ type: 'PlaybackStopped', data: { ...subjectOf(state.authorised), reason, ranges: [...ranges] } }];
    }
    default:
      return assertNever(command);
  }
}

function authorise(
  { ask, facts, at }: Extract<PlaybackCommand, { type: 'AuthorisePlayback' }>,
  state: PlaybackState,
): readonly PlaybackEvent[] {
  if (state.status !== 'none' && state.status !== 'denied') throw accessRefusals['access.playback-over']('id is taken');
  const { kind, id, organisationId } = facts.asker;
  const asked = { ...ask, holder: { kind, id }, organisationId };
  try {
    const until = decidePlayback(ask, facts, at);
    return [{ type: 'PlaybackAuthorised', data: { ...asked, until }, rules: basisOf(facts) }];
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const { code: refusal, rules } = error;
    throw error.recordedBy({ type: 'PlaybackDenied', data: { ...asked, refusal, rules: [...rules] }, rules });
  }
}

/** The authorisation of a playback that is not over. @throws Refusal `access.no-such-playback`, `access.playback-over` */
export function running(state: PlaybackState): PlaybackAuthorised {
  if (state.status === 'none' || state.status === 'denied') throw unknown();
  if (state.status === 'stopped') throw accessRefusals['access.playback-over']('ask for a new one');
  return state.authorised;
}

const unknown = () => accessRefusals['access.no-such-playback']('unknown id');

function basisOf({ grant }: DecisionFacts): RuleId[] {
  return grant.status === 'none' ? [] : [grant.grant.basis];
}

function subjectOf({ grantId, sessionId, cameraId, holder }: PlaybackAuthorised) {
  return { grantId, cameraId, holder, ...(sessionId === undefined ? {} : { sessionId }) };
}

function evolve(state: PlaybackState, event: PlaybackEvent): PlaybackState {
  switch (event.type) {
    case 'PlaybackAuthorised':
      return { status: 'authorised', authorised: event.data };
    case 'PlaybackDenied':
      return state.status === 'none' ? { status: 'denied' } : state;
    case 'PlaybackStarted':
      return 'authorised' in state ? { ...state, status: 'playing' } : state;
    case 'PlaybackStopped':
      return 'authorised' in state ? { ...state, status: 'stopped' } : state;
  }
}

export const playbackDecider: Decider<PlaybackState, PlaybackCommand, PlaybackEvent> = {
  decide,
  evolve,
  initialState: () => ({ status: 'none' }),
};

export const playbackStream: StreamDefinition<PlaybackState, PlaybackCommand, PlaybackEvent> = {
  events: playbackEvents,
  decider: playbackDecider,
};

export interface AuthoriseExport {
  readonly type: 'AuthoriseExport';
  readonly at: string;
  readonly ask: ExportAsk;
  readonly facts: DecisionFacts;
}

interface ClipDecisionState {
  readonly status: 'none' | 'decided';
}

export const clipDecisionDecider: Decider<ClipDecisionState, AuthoriseExport, ClipDecisionEvent> = {
  decide: ({ ask, facts, at }) => {
    const { kind, id, organisationId } = facts.asker;
    const { grantId, sessionId, cameraId, from, to } = ask;
    const subject = { grantId, cameraId, from, to, holder: { kind, id }, organisationId };
    const data = sessionId === undefined ? subject : { ...subject, sessionId };
    try {
      decideExport(ask, facts, at);
      return [{ type: 'ClipAuthorised', data, rules: [...basisOf(facts), 'gz117:16(4)'] }];
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const { code: refusal, rules } = error;
      throw error.recordedBy({ type: 'ClipDenied', data: { ...data, refusal, rules: [...rules] }, rules });
    }
  },
  evolve: () => ({ status: 'decided' }),
  initialState: () => ({ status: 'none' }),
};

export const clipDecisionStream: StreamDefinition<ClipDecisionState, AuthoriseExport, ClipDecisionEvent> = {
  events: clipDecisionEvents,
  decider: clipDecisionDecider,
};
