import { type Principal, ROLES, type Role } from '#libs/kernel';
import type { RegisterCamera, SystemOfCamera } from './camera/camera.decider.js';
import type { VideoSystemCommand } from './video-system/video-system.decider.js';
import type { VideoSystemEvent } from './video-system/video-system.events.js';

/** Sample principals, commands and histories for the specs of this library. */
export const AT = '2026-03-01T02:00:00.000Z';
export const NANMING = '520102';
export const UNIT = '11111111-1111-4111-8111-111111111111';
const SITE = '33333333-3333-4333-8333-333333333333';
const SYSTEM = '44444444-4444-4444-8444-444444444444';
const HASH = 'ab'.repeat(32);

function person(
  kind: Principal['organisation']['kind'],
  division: string,
  role: Role,
  organisationId = `22222222-2222-4222-8222-${division.padEnd(12, '0')}`,
): Principal {
  return {
    kind: 'person',
    id: `55555555-5555-4555-855${ROLES.indexOf(role)}-${division.padEnd(12, '0')}`,
    organisation: { id: organisationId, kind, level: 'county', division, powers: [] },
    roles: [role],
    authenticatedAt: Date.parse(AT),
  };
}

export const clerk = person('managing-unit', NANMING, 'managing-unit-clerk', UNIT);
export const otherClerk = person('managing-unit', NANMING, 'managing-unit-clerk');
/** Filing officer of the bureau of a division. */
export const bureau = (division: string) => person('public-security-organ', division, 'psb-filing-officer');
/** Wears the role, but not in a public security organ. */
export const falseOfficer = person('administrative-department', '52', 'psb-filing-officer');
export const department = person('administrative-department', NANMING, 'department-officer');
export const auditor = person('audit-office', '52', 'auditor');

const qualified = { name: '黔安工程有限公司', qualificationNumber: 'GZ-AF-0001', qualificationValidTo: '2027-12-31' };

export const plan: Extract<VideoSystemCommand, { type: 'PlanVideoSystem' }>['plan'] = {
  siteId: SITE,
  name: '南明大道路口',
  purpose: '道路交通安全',
  funding: 'government',
  managingUnitId: UNIT,
  responsiblePartyId: UNIT,
  publicPlace: true,
  designer: qualified,
  builder: qualified,
  maintainer: qualified,
};

export const construction = { startedOn: '2026-02-01', commissioningPlannedOn: '2026-04-01', mainWorks: null };
export const documents = [{ title: '设计方案', sha256: HASH }];
export const acceptanceRequest = { testReport: { sha256: HASH, issuedOn: '2026-02-20' }, materials: documents };
export const passed = { result: 'passed', heldOn: '2026-02-28', recordSha256: HASH } as const;
export const failed = {
  result: 'failed',
  heldOn: '2026-02-28',
  recordSha256: HASH,
  reason: '图像不清晰',
  rectifyBy: '2026-04-01',
} as const;

const participation = { bureauId: bureau(NANMING).organisation.id, bureauDivision: NANMING };

/** What has happened to a system on its way, in the usual order. */
export const facts = {
  planned: { type: 'VideoSystemPlanned', data: { ...plan, division: NANMING } },
  designFiled: { type: 'DesignSchemeFiled', data: { documents } },
  started: { type: 'ConstructionStarted', data: construction },
  requested: { type: 'AcceptanceRequested', data: acceptanceRequest },
  passed: {
    type: 'AcceptancePassed',
    data: { heldOn: passed.heldOn, recordSha256: HASH, ...participation },
  },
  failed: {
    type: 'AcceptanceFailed',
    data: {
      heldOn: failed.heldOn,
      recordSha256: HASH,
      ...participation,
      reason: failed.reason,
      rectifyBy: failed.rectifyBy,
    },
  },
  operating: { type: 'OperationStarted', data: {} },
} as const satisfies Record<string, VideoSystemEvent>;

export const system: SystemOfCamera = {
  siteId: SITE,
  status: 'in-operation',
  funding: 'government',
  purpose: plan.purpose,
  publicPlace: true,
  division: NANMING,
  managingUnitId: UNIT,
};

export const camera: RegisterCamera['camera'] = {
  systemId: SYSTEM,
  gbId: '52010200001320000001',
  name: '路口东北角',
  place: 'ordinary',
  position: { longitude: 106.71, latitude: 26.57, heightM: 6 },
  fieldOfView: { azimuthDeg: 45, tiltDeg: -15, horizontalDeg: 70, rangeM: 80 },
  sign: { photoSha256: HASH, installedAt: '2026-02-20' },
  product: {
    manufacturer: '某厂',
    model: 'X1',
    certificateNumber: 'CCC-2024-1',
    certificateValidTo: '2027-12-31',
  },
};
