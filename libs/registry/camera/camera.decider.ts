import type { z } from 'zod';
import type { Decider, Principal, StreamDefinition } from '#libs/kernel';
import { type Belonging, PROHIBITED_PLACES } from '#libs/regulation';
import { requireParty } from '../authority.js';
import { registryRefusals } from '../registry.refusals.js';
import { dayInChina } from '../schemas.js';
import type { Stage } from '../video-system/video-system.decider.js';
import { type CameraEvent, type cameraData, cameraEvents } from './camera.events.js';
import { fitsDivision, parseGbDeviceId } from './gb-device-id.js';

export type CameraState = { readonly status: 'absent' } | { readonly status: 'registered' };

/** What the caller knows of the system that a camera is registered into. */
export interface SystemOfCamera extends Belonging {
  readonly siteId: string;
  readonly status: Stage;
  readonly funding: 'government' | 'other';
  readonly purpose: string;
  readonly publicPlace: boolean;
}

export interface RegisterCamera {
  readonly type: 'RegisterCamera';
  readonly by: Principal;
  readonly at: string;
  readonly camera: z.output<typeof cameraData>;
  readonly system: SystemOfCamera;
}

/** Stages in which a system takes cameras. */
const STAGES_WITH_CAMERAS: readonly Stage[] = [
  'under-construction',
  'awaiting-acceptance',
  'rectifying',
  'accepted',
  'in-operation',
  'interrupted',
];

function decide({ by, at, camera, system }: RegisterCamera, state: CameraState): readonly CameraEvent[] {
  requireParty(by, system);
  if (state.status !== 'absent') throw registryRefusals['registry.already-registered']('the camera is registered');
  const { place } = camera;
  const { siteId, division, funding, managingUnitId, purpose } = system;
  const ofSystem = { siteId, division, funding, managingUnitId, purpose };

  // First of all rules, so that an attempt is on record whatever else is wrong with it (Art. 21).
  if (place !== 'ordinary') throw prohibited({ ...camera, place, ...ofSystem });
  requireStage(system);
  requireGbId(camera.gbId, division);
  if (system.publicPlace && camera.sign === null) {
    throw registryRefusals['registry.sign-missing']('the system stands in a public place');
  }
  const { certificateValidTo } = camera.product;
  if (certificateValidTo < dayInChina(at)) {
    throw registryRefusals['registry.certificate-expired'](`it was valid to ${certificateValidTo}`, {
      certificateValidTo,
    });
  }
  return [{ type: 'CameraRegistered', data: { ...camera, place, ...ofSystem } }];
}

function prohibited(attempt: Extract<CameraEvent, { type: 'CameraRegistrationRefused' }>['data']) {
  const { id, place, gloss } = PROHIBITED_PLACES.find((p) => p.place === attempt.place)!;
  return registryRefusals[`registry.prohibited-${place}`](gloss, { place }).recordedBy({
    type: 'CameraRegistrationRefused',
    data: attempt,
    rules: [id, 'gz117:21'],
  });
}

function requireStage({ status }: SystemOfCamera): void {
  if (STAGES_WITH_CAMERAS.includes(status)) return;
  throw registryRefusals['registry.wrong-stage'](`the system is ${status}`, { status, allowed: STAGES_WITH_CAMERAS });
}

function requireGbId(gbId: string, division: string): void {
  const parsed = parseGbDeviceId(gbId);
  if (parsed === undefined) {
    throw registryRefusals['registry.gb-id-malformed']('8 digits centre, 2 industry, 3 type, 1 network, 6 serial', {
      gbId,
    });
  }
  if (!fitsDivision(parsed, division)) {
    throw registryRefusals['registry.gb-id-elsewhere'](`it begins with ${parsed.division.code}, not ${division}`, {
      gbId,
      division,
    });
  }
}

export const cameraDecider: Decider<CameraState, RegisterCamera, CameraEvent> = {
  decide,

  evolve(state, event) {
    switch (event.type) {
      case 'CameraRegistered':
        return { status: 'registered' };
      case 'CameraRegistrationRefused':
        return state;
    }
  },

  initialState: () => ({ status: 'absent' }),
};

export const cameraStream: StreamDefinition<CameraState, RegisterCamera, CameraEvent> = {
  events: cameraEvents,
  decider: cameraDecider,
};
