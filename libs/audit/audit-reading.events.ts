import { z } from 'zod';
import { defineEvents } from '#libs/kernel';

export const SUBJECTS = ['camera', 'case', 'person', 'grant'] as const;

export const auditReadingEvents = defineEvents('audit', 'auditReading', {
  HistoryRead: {
    data: z.strictObject({
      subject: z.strictObject({ kind: z.enum(SUBJECTS), id: z.string().min(1).max(100) }),
      asOf: z.string().min(1).max(40).describe('position or time up to which was read'),
      after: z
        .string()
        .regex(/^\d{1,19}$/)
        .describe('position behind which was read'),
    }),
    version: 1,
    meaning: ['Somebody read the history of a subject', '查阅某一对象的历史记录'],
    since: '0.1',
    rules: ['gz117:19'],
  },
});
