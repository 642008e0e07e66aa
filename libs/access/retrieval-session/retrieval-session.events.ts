import { z } from 'zod';
import { defineEvents, type EventOf } from '#libs/kernel';
import { BOUNDS, division, entityId, freeText, instant, sha256 } from '../terms.js';

/** What became of the copies when the session closed. */
export const DISPOSITIONS = ['nothing-copied', 'copies-kept', 'copies-returned', 'copies-destroyed'] as const;

/** The register of Art. 17(4): recorder, retriever, time, purpose, destination. */
export const registerEntry = z.strictObject({
  recorderId: entityId.describe('person who recorded (录制人员)'),
  retrieverId: entityId.describe('investigator who retrieves (调取人员)'),
  retrievedAt: instant.describe('time of retrieval (调取时间)'),
  purpose: freeText(500).describe('use (调取用途); no names of persons'),
  destination: freeText(300).describe('where the material goes (去向): an office or a file, no names of persons'),
});

export const retrievalSessionEvents = defineEvents('access', 'retrievalSession', {
  RetrievalSessionOpened: {
    data: z.strictObject({
      grantId: entityId,
      organisationId: entityId,
      divisions: z.array(division).min(1).max(BOUNDS.camerasMax),
      openedBy: entityId,
    }),
    version: 1,
    meaning: ['An investigator opened a retrieval session under a grant', '调查取证人依授权开启调取会话'],
    since: '0.1',
    rules: ['gz117:16(1)'],
  },
  InvestigatorCheckedIn: {
    data: z.strictObject({
      personId: entityId,
      authenticatedAt: instant,
      credentialId: entityId,
      issuer: z.string().max(50),
      credentialValidFrom: instant,
      credentialValidTo: instant,
    }),
    version: 1,
    meaning: [
      'An investigator authenticated in person and showed an enforcement credential on file',
      '调查取证人本人核验并出示已备案的行政执法证件',
    ],
    since: '0.1',
    rules: ['gz117:16(1)', 'gz117:16(2)'],
  },
  ApprovalDocumentPresented: {
    data: z.strictObject({ personId: entityId, sha256 }),
    version: 1,
    meaning: ['The approval document or certificate of the grant was shown', '出示与授权相符的批准文件或者证明文件'],
    since: '0.1',
    rules: ['gz117:16(3)'],
  },
  RegisterEntryCompleted: {
    data: registerEntry,
    version: 1,
    meaning: [
      'Recorder, retriever, time, purpose and destination were registered',
      '登记录制人员、调取人员、时间、用途及去向',
    ],
    since: '0.1',
    rules: ['gz117:16(4)', 'gz117:17(4)'],
  },
  UndertakingSigned: {
    data: z.strictObject({ personId: entityId, textSha256: sha256 }),
    version: 1,
    meaning: ['An investigator signed the confidentiality undertaking', '调查取证人签署保密承诺'],
    since: '0.1',
    rules: ['gz117:16(5)'],
  },
  RetrievalSessionStarted: {
    data: z.strictObject({ investigatorIds: z.array(entityId).min(2).max(20), endsAt: instant }),
    version: 1,
    meaning: ['All five conditions were met and the session began', '五项条件齐备，调取开始'],
    since: '0.1',
    rules: ['gz117:16(1)', 'gz117:16(2)', 'gz117:16(3)', 'gz117:16(4)', 'gz117:16(5)'],
  },
  RetrievalSessionClosed: {
    data: z.strictObject({
      closedBy: entityId,
      disposition: z.enum(DISPOSITIONS),
      destination: freeText(300).optional(),
    }),
    version: 1,
    meaning: ['The session ended; where the material went is on record', '调取结束，资料去向已登记'],
    since: '0.1',
    rules: ['gz117:17(4)'],
  },
});

export type RetrievalSessionEvent = EventOf<typeof retrievalSessionEvents>;
export type RegisterEntry = z.output<typeof registerEntry>;
export type CheckIn = Extract<RetrievalSessionEvent, { type: 'InvestigatorCheckedIn' }>['data'];
