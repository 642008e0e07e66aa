import { z } from 'zod';
import { defineEvents, type EventOf } from '#libs/kernel';
import { BOUNDS, basis, division, entityId, freeText, scope, sha256 } from '../terms.js';

export const grantEvents = defineEvents('access', 'grant', {
  GrantIssued: {
    data: z.strictObject({
      requestId: entityId,
      basis,
      ...scope,
      organisationId: entityId,
      personIds: z.array(entityId).max(BOUNDS.personsMax),
      clientId: entityId.optional(),
      divisions: z.array(division).min(1).max(BOUNDS.camerasMax),
      purpose: freeText(500),
      caseNumber: z.string().max(100).optional(),
      approvedBy: entityId,
      approvingOrganisationId: entityId,
      certificateSha256: sha256.optional(),
      approvalDocumentSha256: sha256.optional(),
    }),
    version: 1,
    meaning: [
      'Named people or a client of an organisation may do named acts with named cameras for a limited time',
      '授权特定单位的特定人员或客户端在限期内以特定方式使用特定摄像设备',
    ],
    since: '0.1',
    rules: ['gz117:15.1'],
  },
  GrantRevoked: {
    data: z.strictObject({
      reason: freeText(500),
      by: z.enum(['public-security-organ', 'holder']),
    }),
    version: 1,
    meaning: ['The grant ended at once, also for what was playing', '授权立即终止，正在播放的内容一并停止'],
    since: '0.1',
    rules: ['gz117:4.2'],
  },
});

export type GrantEvent = EventOf<typeof grantEvents>;
export type GrantIssued = Extract<GrantEvent, { type: 'GrantIssued' }>['data'];
