import { z } from 'zod';
import { defineEvents, type EventOf } from '#libs/kernel';
import { division, id, name, siteCategory } from '../schemas.js';

/** What is known of a site. */
export const siteData = z.strictObject({
  name,
  category: siteCategory.describe('item of Art. 8.1 that the site falls under'),
  division,
  address: z.string().trim().min(1).max(300).optional(),
  managingUnitId: id.describe('organisation that manages the site'),
});

export const siteEvents = defineEvents('registry', 'site', {
  SiteRegistered: {
    data: siteData,
    version: 1,
    meaning: ['A site that must have a video system has been registered', '应当安装公共视频系统的场所已登记'],
    since: '0.1',
    rules: ['gz117:8.1'],
  },
});

export type SiteEvent = EventOf<typeof siteEvents>;
