import { z } from 'zod';
import { defineEvents } from '#libs/kernel';

/** Readings of personal data, one stream a person: `personalData-<person id>`. */
export const personalDataEvents = defineEvents('vault', 'personalData', {
  PersonalDataRead: {
    data: z.strictObject({
      fields: z.array(z.string().max(60)).min(1).max(20),
      purpose: z.string().min(1).max(200),
    }),
    version: 1,
    meaning: ['Clear text of a person was read', '个人信息明文被查阅'],
    since: '0.1',
    rules: ['gz117:5.2'],
  },
});
