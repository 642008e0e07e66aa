import type { z } from 'zod';
import type { Decider, Principal, StreamDefinition } from '#libs/kernel';
import type { Belonging } from '#libs/regulation';
import { requireBureauAtAcceptance, requireParty } from '../authority.js';
import { registryRefusals } from '../registry.refusals.js';
import { dayInChina } from '../schemas.js';
import {
  type acceptanceData,
  type acceptanceRequestData,
  type constructionData,
  type contractor,
  type designSchemeData,
  type planData,
  type VideoSystemEvent,
  videoSystemEvents,
} from './video-system.events.js';

/** Stages of a video system after its plan, in the order in which they are reached. */
export const STAGES = [
  'planned',
  'design-filed',
  'under-construction',
  'awaiting-acceptance',
  'rectifying',
  'accepted',
  'in-operation',
  'interrupted',
  'decommissioned',
] as const;

export type Stage = (typeof STAGES)[number];

/** What stays true of a system through all its stages. */
interface Planned extends Belonging {
  readonly designer: z.output<typeof contractor>;
  readonly builder: z.output<typeof contractor>;
  readonly maintainer: z.output<typeof contractor>;
}

export type VideoSystemState =
  | { readonly status: 'absent' }
  | ({ readonly status: Exclude<Stage, 'rectifying'> } & Planned)
  | ({ readonly status: 'rectifying'; readonly rectifyBy: string } & Planned);

interface Given {
  readonly by: Principal;
  readonly at: string;
}

export type VideoSystemCommand = Given &
  (
    | { readonly type: 'PlanVideoSystem'; readonly plan: z.output<typeof planData>; readonly site: Belonging }
    | { readonly type: 'FileDesignScheme'; readonly scheme: z.output<typeof designSchemeData> }
    | { readonly type: 'StartConstruction'; readonly construction: z.output<typeof constructionData> }
    | { readonly type: 'RequestAcceptance'; readonly request: z.output<typeof acceptanceRequestData> }
    | { readonly type: 'RecordAcceptance'; readonly acceptance: z.output<typeof acceptanceData> }
    | { readonly type: 'StartOperation' }
    | { readonly type: 'InterruptOperation'; readonly reason: string }
    | { readonly type: 'ResumeOperation' }
    | { readonly type: 'DecommissionVideoSystem'; readonly reason: string }
  );

/** Stages from which each act may be done. */
const STAGES_OF = {
  FileDesignScheme: ['planned'],
  StartConstruction: ['design-filed'],
  RequestAcceptance: ['under-construction', 'rectifying'],
  RecordAcceptance: ['awaiting-acceptance'],
  StartOperation: ['accepted'],
  InterruptOperation: ['in-operation'],
  ResumeOperation: ['interrupted'],
  DecommissionVideoSystem: ['accepted', 'in-operation', 'interrupted'],
} as const satisfies Record<Exclude<VideoSystemCommand['type'], 'PlanVideoSystem'>, readonly Stage[]>;

function decide(command: VideoSystemCommand, state: VideoSystemState): readonly VideoSystemEvent[] {
  const { by, at } = command;
  if (command.type === 'PlanVideoSystem') return plan(command, state);
  if (state.status === 'absent') throw registryRefusals['registry.no-such-system']('it has not been planned');
  if (command.type === 'RecordAcceptance') requireBureauAtAcceptance(by, state.division);
  else requireParty(by, state);
  requireStage(command.type, state.status);

  switch (command.type) {
    case 'FileDesignScheme':
      requireQualified(state.designer, at);
      return [{ type: 'DesignSchemeFiled', data: command.scheme }];
    case 'StartConstruction':
      requireQualified(state.builder, at);
      requirePast(command.construction.startedOn, at);
      return [{ type: 'ConstructionStarted', data: command.construction }];
    case 'RequestAcceptance':
      requirePast(command.request.testReport.issuedOn, at);
      return [{ type: 'AcceptanceRequested', data: command.request }];
    case 'RecordAcceptance':
      return [acceptance(command)];
    case 'StartOperation':
      requireQualified(state.maintainer, at);
      return [{ type: 'OperationStarted', data: {} }];
    case 'InterruptOperation':
      return [{ type: 'OperationInterrupted', data: { reason: command.reason } }];
    case 'ResumeOperation':
      return [{ type: 'OperationResumed', data: {} }];
    case 'DecommissionVideoSystem':
      return [{ type: 'VideoSystemDecommissioned', data: { reason: command.reason } }];
  }
}

function plan(
  { by, at, plan, site }: Extract<VideoSystemCommand, { type: 'PlanVideoSystem' }>,
  state: VideoSystemState,
): readonly VideoSystemEvent[] {
  requireParty(by, site);
  requireParty(by, { managingUnitId: plan.managingUnitId, division: site.division });
  if (state.status !== 'absent') throw registryRefusals['registry.already-registered']('the system is planned');
  for (const contractor of [plan.designer, plan.builder, plan.maintainer]) requireQualified(contractor, at);
  return [{ type: 'VideoSystemPlanned', data: { ...plan, division: site.division } }];
}

function acceptance({
  by,
  at,
  acceptance,
}: Extract<VideoSystemCommand, { type: 'RecordAcceptance' }>): VideoSystemEvent {
  const { heldOn, recordSha256 } = acceptance;
  requirePast(heldOn, at);
  const participation = { bureauId: by.organisation.id, bureauDivision: by.organisation.division };
  if (acceptance.result === 'passed') {
    return { type: 'AcceptancePassed', data: { heldOn, recordSha256, ...participation } };
  }
  const { reason, rectifyBy } = acceptance;
  if (rectifyBy <= dayInChina(at)) {
    throw registryRefusals['registry.rectification-deadline-past'](`${rectifyBy} is not after today`);
  }
  return { type: 'AcceptanceFailed', data: { heldOn, recordSha256, ...participation, reason, rectifyBy } };
}

function requireStage(act: keyof typeof STAGES_OF, status: Stage): void {
  const allowed: readonly Stage[] = STAGES_OF[act];
  if (allowed.includes(status)) return;
  const refusal =
    act === 'StartOperation' && isBeforeAcceptance(status) ? 'registry.not-accepted' : 'registry.wrong-stage';
  throw registryRefusals[refusal](`the system is ${status}`, { status, allowed });
}

function isBeforeAcceptance(status: Stage): boolean {
  return STAGES.indexOf(status) < STAGES.indexOf('accepted');
}

function requireQualified({ name, qualificationValidTo }: z.output<typeof contractor>, at: string): void {
  if (qualificationValidTo < dayInChina(at)) {
    throw registryRefusals['registry.qualification-expired'](`the qualification of ${name} has expired`, {
      qualificationValidTo,
    });
  }
}

function requirePast(day: string, at: string): void {
  if (day > dayInChina(at)) throw registryRefusals['registry.day-ahead'](`${day} lies ahead`, { day });
}

function evolve(state: VideoSystemState, event: VideoSystemEvent): VideoSystemState {
  if (event.type === 'VideoSystemPlanned') {
    const { division, managingUnitId, designer, builder, maintainer } = event.data;
    return { status: 'planned', division, managingUnitId, designer, builder, maintainer };
  }
  if (state.status === 'absent') throw new Error(`${event.type} before the plan`);
  switch (event.type) {
    case 'DesignSchemeFiled':
      return { ...state, status: 'design-filed' };
    case 'ConstructionStarted':
      return { ...state, status: 'under-construction' };
    case 'AcceptanceRequested':
      return { ...state, status: 'awaiting-acceptance' };
    case 'AcceptanceFailed':
      return { ...state, status: 'rectifying', rectifyBy: event.data.rectifyBy };
    case 'AcceptancePassed':
      return { ...state, status: 'accepted' };
    case 'OperationStarted':
    case 'OperationResumed':
      return { ...state, status: 'in-operation' };
    case 'OperationInterrupted':
      return { ...state, status: 'interrupted' };
    case 'VideoSystemDecommissioned':
      return { ...state, status: 'decommissioned' };
  }
}

export const videoSystemDecider: Decider<VideoSystemState, VideoSystemCommand, VideoSystemEvent> = {
  decide,
  evolve,
  initialState: () => ({ status: 'absent' }),
};

export const videoSystemStream: StreamDefinition<VideoSystemState, VideoSystemCommand, VideoSystemEvent> = {
  events: videoSystemEvents,
  decider: videoSystemDecider,
};
