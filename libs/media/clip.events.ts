import { z } from 'zod';
import { defineEvents, type EventOf } from '#libs/kernel';

const id = z.guid();
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

export const clipEvents = defineEvents('media', 'clip', {
  ClipExported: {
    data: z.strictObject({
      grantId: id,
      sessionId: id.optional(),
      requestId: id,
      organisationId: id.describe('organisation that the clip was made for'),
      cameraId: id,
      from: z.iso.datetime(),
      to: z.iso.datetime().describe('excluded'),
      segments: z.int().positive().describe('whole segments of the recording in the clip'),
      bytes: z.int().positive(),
      sha256: sha256.describe('digest of the clip'),
      manifestSha256: sha256.describe('digest of its signed manifest'),
      destination: z.string().min(1).max(2_000).describe('where the material goes, as registered (Art. 17(4))'),
    }),
    version: 1,
    meaning: ['A clip was made of recordings, with a signed manifest', '已导出录像片段并生成签名清单'],
    since: '0.1',
    rules: ['gz117:17(4)', 'gz117:18(2)'],
  },
  ClipFetched: {
    data: z.strictObject({ part: z.enum(['clip', 'manifest']) }),
    version: 1,
    meaning: ['An investigator fetched a clip or its manifest', '调查取证人领取录像片段或其签名清单'],
    since: '0.1',
    rules: ['gz117:17(4)'],
  },
});

export type ClipExported = Extract<ClipEvent, { type: 'ClipExported' }>['data'];
export type ClipEvent = EventOf<typeof clipEvents>;
