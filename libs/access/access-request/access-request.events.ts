import { z } from 'zod';
import { defineEvents, type EventOf } from '#libs/kernel';
import { BOUNDS, basis, division, entityId, freeText, holder, law, scope, sha256 } from '../terms.js';

export const accessRequestEvents = defineEvents('access', 'accessRequest', {
  AccessRequested: {
    data: z.strictObject({
      basis,
      ...scope,
      requestedBy: holder,
      organisationId: entityId,
      decidingOrganisationId: entityId,
      personIds: z.array(entityId).max(BOUNDS.personsMax),
      clientId: entityId.optional(),
      divisions: z.array(division).min(1).max(BOUNDS.camerasMax),
      purpose: freeText(500),
      caseNumber: z.string().max(100).optional(),
      law: law.optional(),
      certificateSha256: sha256.optional(),
    }),
    version: 1,
    meaning: [
      'An organisation asked for access to cameras for a stated purpose',
      '某单位就特定用途申请使用公共视频系统',
    ],
    since: '0.1',
    rules: ['gz117:15.3'],
  },
  AccessRequestWithdrawn: {
    data: z.strictObject({ reason: freeText(500) }),
    version: 1,
    meaning: ['The requester withdrew the request', '申请单位撤回申请'],
    since: '0.1',
    rules: [],
  },
  AccessApproved: {
    data: z.strictObject({
      ...scope,
      grantId: entityId,
      divisions: z.array(division).min(1).max(BOUNDS.camerasMax),
      approvedBy: entityId,
      approvingOrganisationId: entityId,
      shortened: z.boolean(),
      approvalDocumentSha256: sha256.optional(),
    }),
    version: 1,
    meaning: [
      'The responsible person of a public security organ approved, in full or shortened',
      '公安机关负责人批准（全部或缩小范围）',
    ],
    since: '0.1',
    rules: ['gz117:15.1'],
  },
  AccessDenied: {
    data: z.strictObject({
      deniedBy: entityId,
      reason: freeText(500),
      rule: z.string().regex(/^[a-z0-9]+:[0-9.()]+$/),
    }),
    version: 1,
    meaning: [
      'The responsible person refused the request with a reason and a rule',
      '公安机关负责人不予批准并说明理由',
    ],
    since: '0.1',
    rules: ['gz117:15.1'],
  },
});

export type AccessRequestEvent = EventOf<typeof accessRequestEvents>;
export type AccessRequested = Extract<AccessRequestEvent, { type: 'AccessRequested' }>['data'];
export type AccessApproved = Extract<AccessRequestEvent, { type: 'AccessApproved' }>['data'];
export type AccessDenied = Extract<AccessRequestEvent, { type: 'AccessDenied' }>['data'];
