import { z } from 'zod';
import { defineEvents, type EventOf, ORGANISATION_KINDS, ORGANISATION_LEVELS, POWERS } from '#libs/kernel';
import { division, id, publicName } from '../schemas.js';

/** What is known of an organisation. */
export const organisationData = z.strictObject({
  name: publicName,
  kind: z.enum(ORGANISATION_KINDS),
  level: z.enum(ORGANISATION_LEVELS),
  division,
  parentId: id.optional().describe('superior organisation'),
});

export const powerData = z.strictObject({
  power: z.enum(POWERS),
  instrument: z
    .string()
    .trim()
    .min(2)
    .max(300)
    .describe('law-enforcement: law and article that grant it; emergency-handling: instrument that grants it'),
});

export const organisationEvents = defineEvents('identity', 'organisation', {
  OrganisationRegistered: {
    data: organisationData,
    version: 1,
    meaning: ['An organisation takes part in sharing', '单位已登记'],
    since: '0.1',
    rules: ['gz117:4'],
  },
  PowerConferred: {
    data: powerData,
    version: 1,
    meaning: ['A department holds a power, by the instrument named', '行政主管部门已被授予职权'],
    since: '0.1',
    rules: ['gz117:15'],
  },
  PowerWithdrawn: {
    data: powerData.pick({ power: true }),
    version: 1,
    meaning: ['A department holds a power no longer', '行政主管部门的职权已撤销'],
    since: '0.1',
    rules: ['gz117:15'],
  },
});

export type OrganisationEvent = EventOf<typeof organisationEvents>;
