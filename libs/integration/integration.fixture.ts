import type { z } from 'zod';
import { type Principal, ROLES, type Role } from '#libs/kernel';
import type { ConnectionEvent, connectionData } from './connection/connection.events.js';

/** Sample principals and facts for the specs of this library. */
export const AT = '2026-03-01T02:00:00.000Z';
export const NANMING = '520102';
export const UNIT = '11111111-1111-4111-8111-111111111111';
export const CAMERA = '66666666-6666-4666-8666-666666666666';

function person(
  kind: Principal['organisation']['kind'],
  division: string,
  role: Role,
  organisationId = `22222222-2222-4222-8222-${division.padEnd(12, '0')}`,
  number = 1,
): Principal {
  return {
    kind: 'person',
    id: `5555555${number}-5555-4555-855${ROLES.indexOf(role)}-${division.padEnd(12, '0')}`,
    organisation: { id: organisationId, kind, level: 'county', division, powers: [] },
    roles: [role],
    authenticatedAt: Date.parse(AT),
  };
}

export const clerk = person('managing-unit', NANMING, 'managing-unit-clerk', UNIT);
export const otherClerk = person('managing-unit', NANMING, 'managing-unit-clerk');
/** A filing officer of the bureau of a division. */
export const bureau = (division: string, number = 1) =>
  person('public-security-organ', division, 'psb-filing-officer', undefined, number);
export const falseOfficer = person('administrative-department', '52', 'psb-filing-officer');
export const department = person('administrative-department', NANMING, 'department-officer');
export const auditor = person('audit-office', '52', 'auditor');

export const camera = { division: NANMING, managingUnitId: UNIT };

export const connection: z.output<typeof connectionData> = {
  cameraId: CAMERA,
  protocol: 'rtsp',
  address: 'rtsp://10.1.2.3:554/live',
  securityProfile: { transportEncryption: 'none', mutualAuthentication: false, networkZone: 'video-transport-network' },
  purpose: '部门共享',
  contactPersonId: '77777777-7777-4777-8777-777777777777',
};

export const probed = { passed: true, codec: 'h264', width: 1920, height: 1080, frameRate: 25 } as const;
export const unreachable = { passed: false, failure: 'unreachable' } as const;

export const facts = {
  requested: { type: 'ConnectionRequested', data: { ...connection, ...camera, requestedBy: clerk.id } },
  tested: { type: 'ConnectionTested', data: probed },
  failed: { type: 'ConnectionTested', data: unreachable },
  approved: {
    type: 'ConnectionApproved',
    data: { bureauId: bureau(NANMING).organisation.id, bureauDivision: NANMING },
  },
  opened: {
    type: 'ConnectionOpened',
    data: { cameraId: CAMERA, protocol: connection.protocol, address: connection.address },
  },
  suspended: { type: 'ConnectionSuspended', data: { cameraId: CAMERA, reason: '检修' } },
  closed: { type: 'ConnectionClosed', data: { cameraId: CAMERA, reason: '拆除' } },
  withdrawn: { type: 'ConnectionWithdrawn', data: { cameraId: CAMERA, reason: '拆除' } },
} as const satisfies Record<string, ConnectionEvent>;
