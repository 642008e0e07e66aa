import type { z } from 'zod';
import type { Decider, Principal, StreamDefinition } from '#libs/kernel';
import type { Belonging } from '#libs/regulation';
import { requireApprovingBureau, requireParty } from '../authority.js';
import { integrationRefusals } from '../integration.refusals.js';
import { type ConnectionEvent, type connectionData, connectionEvents, type testData } from './connection.events.js';

export const STAGES = ['requested', 'security-tested', 'approved', 'open', 'suspended', 'closed'] as const;

export type Stage = (typeof STAGES)[number];

/** Where the stream is to be had; credentials by reference. */
interface Source {
  readonly protocol: z.output<typeof connectionData>['protocol'];
  readonly address: string;
  readonly credentialRef?: string | undefined;
}

/** A connection that has been asked for. */
export interface RequestedConnection extends Belonging {
  readonly status: Stage;
  readonly cameraId: string;
  readonly source: Source;
  readonly requestedBy: string;
  /** Whether the last test was passed; also a later failure counts. */
  readonly tested: boolean;
}

export type ConnectionState = { readonly status: 'absent' } | RequestedConnection;

interface Given {
  readonly by: Principal;
  readonly at: string;
}

export type ConnectionCommand = Given &
  (
    | {
        readonly type: 'RequestConnection';
        readonly connection: z.output<typeof connectionData>;
        readonly credentialRef?: string;
        /** As the registry's events say. */
        readonly camera: Belonging;
      }
    | { readonly type: 'TestConnection'; readonly result: z.output<typeof testData> }
    | { readonly type: 'ApproveConnection' }
    /** `feedHeldBy` is the connection that feeds the camera now. */
    | { readonly type: 'OpenConnection'; readonly feedHeldBy: string | undefined }
    | { readonly type: 'SuspendConnection'; readonly reason: string }
    | { readonly type: 'CloseConnection'; readonly reason: string }
  );

/** Stages from which each act may be done. */
const STAGES_OF = {
  TestConnection: ['requested', 'security-tested', 'approved', 'open', 'suspended'],
  ApproveConnection: ['security-tested'],
  OpenConnection: ['approved', 'suspended'],
  SuspendConnection: ['open'],
  CloseConnection: ['requested', 'security-tested', 'approved', 'open', 'suspended'],
} as const satisfies Record<Exclude<ConnectionCommand['type'], 'RequestConnection'>, readonly Stage[]>;

/**
 * Who may do what to a connection, and when; throws the refusal otherwise.
 * Also asked before a probe, so that nobody makes the hub reach out who may not.
 */
export function requireMay(
  act: keyof typeof STAGES_OF,
  by: Principal,
  state: ConnectionState,
): asserts state is RequestedConnection {
  if (state.status === 'absent') throw integrationRefusals['integration.no-such-connection']('never asked for');
  if (act === 'ApproveConnection') {
    requireApprovingBureau(by, state.division);
    if (by.id === state.requestedBy) throw integrationRefusals['integration.own-request']('another officer approves');
  } else {
    requireParty(by, state);
  }
  const { status } = state;
  const allowed: readonly Stage[] = STAGES_OF[act];
  if (allowed.includes(status)) return;
  throw integrationRefusals[refusalOf(act, status)](`the connection is ${status}`, { status, allowed });
}

function refusalOf(act: keyof typeof STAGES_OF, status: Stage) {
  if (act === 'ApproveConnection' && status === 'requested') return 'integration.not-tested';
  if (act === 'OpenConnection' && status === 'requested') return 'integration.not-tested';
  if (act === 'OpenConnection' && status === 'security-tested') return 'integration.not-approved';
  return 'integration.wrong-stage';
}

function decide(command: ConnectionCommand, state: ConnectionState): readonly ConnectionEvent[] {
  if (command.type === 'RequestConnection') return request(command, state);
  requireMay(command.type, command.by, state);
  const { cameraId } = state;
  switch (command.type) {
    case 'TestConnection':
      return [{ type: 'ConnectionTested', data: command.result }];
    case 'ApproveConnection': {
      const { id, division } = command.by.organisation;
      return [{ type: 'ConnectionApproved', data: { bureauId: id, bureauDivision: division } }];
    }
    case 'OpenConnection':
      if (!state.tested) throw integrationRefusals['integration.not-tested']('test it again');
      if (command.feedHeldBy !== undefined) {
        throw integrationRefusals['integration.camera-already-connected']('suspend or close the other one first', {
          connectionId: command.feedHeldBy,
        });
      }
      return [{ type: 'ConnectionOpened', data: { cameraId, ...state.source } }];
    case 'SuspendConnection':
      return [{ type: 'ConnectionSuspended', data: { cameraId, reason: command.reason } }];
    case 'CloseConnection': {
      // Who follows a camera by its ConnectionClosed must not be misled when another connection to it is open.
      const type = state.status === 'open' ? 'ConnectionClosed' : 'ConnectionWithdrawn';
      return [{ type, data: { cameraId, reason: command.reason } }];
    }
  }
}

function request(
  { by, connection, credentialRef, camera }: Extract<ConnectionCommand, { type: 'RequestConnection' }>,
  state: ConnectionState,
): readonly ConnectionEvent[] {
  requireParty(by, camera);
  if (state.status !== 'absent') throw integrationRefusals['integration.already-requested'](`it is ${state.status}`);
  requireAddress(connection);
  const { division, managingUnitId } = camera;
  const data = { ...connection, division, managingUnitId, requestedBy: by.id };
  return [{ type: 'ConnectionRequested', data: credentialRef === undefined ? data : { ...data, credentialRef } }];
}

const SCHEMES = { rtsp: ['rtsp:', 'rtsps:'], rtmp: ['rtmp:', 'rtmps:'], http: ['http:', 'https:'] } as const;

/** Credentials as cameras take them in a path or query: `?user=…&password=…`, `/user=…_password=…`. */
const CREDENTIAL = /[?&;/_](user(name)?|usr|pass(word|wd)?|pwd|token|secret)=/i;

/** What the domain itself asks of an address; whether the hub may go there is for the media gateway to say. */
function requireAddress({ protocol, address }: z.output<typeof connectionData>): void {
  if (protocol === 'file') return;
  const url = URL.parse(address);
  const schemes: readonly string[] = SCHEMES[protocol];
  if (url === null || !schemes.includes(url.protocol) || url.hostname === '') {
    throw integrationRefusals['integration.address-malformed'](`${schemes.join(' or ')} and a host are needed`);
  }
  if (url.username !== '' || url.password !== '' || CREDENTIAL.test(`${url.pathname}${url.search}`)) {
    throw integrationRefusals['integration.credentials-in-address']('leave out user and password');
  }
}

function evolve(state: ConnectionState, event: ConnectionEvent): ConnectionState {
  if (event.type === 'ConnectionRequested') {
    const { cameraId, division, managingUnitId, protocol, address, credentialRef, requestedBy } = event.data;
    const source = credentialRef === undefined ? { protocol, address } : { protocol, address, credentialRef };
    return { status: 'requested', cameraId, division, managingUnitId, source, requestedBy, tested: false };
  }
  if (state.status === 'absent') throw new Error(`${event.type} before the request`);
  switch (event.type) {
    case 'ConnectionTested': {
      const { passed: tested } = event.data;
      const early = state.status === 'requested' || state.status === 'security-tested';
      return { ...state, tested, ...(early ? { status: tested ? 'security-tested' : 'requested' } : {}) };
    }
    case 'ConnectionApproved':
      return { ...state, status: 'approved' };
    case 'ConnectionOpened':
      return { ...state, status: 'open' };
    case 'ConnectionSuspended':
      return { ...state, status: 'suspended' };
    case 'ConnectionClosed':
    case 'ConnectionWithdrawn':
      return { ...state, status: 'closed' };
  }
}

export const connectionDecider: Decider<ConnectionState, ConnectionCommand, ConnectionEvent> = {
  decide,
  evolve,
  initialState: () => ({ status: 'absent' }),
};

export const connectionStream: StreamDefinition<ConnectionState, ConnectionCommand, ConnectionEvent> = {
  events: connectionEvents,
  decider: connectionDecider,
};
