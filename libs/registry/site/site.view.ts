import type { Projection, RecordedEvent } from '#libs/event-store';
import { entityOf } from '#libs/kernel';
import { SiteRow } from './site.entity.js';
import { type SiteEvent, siteEvents } from './site.events.js';

export const siteProjection: Projection = {
  name: 'site',
  filter: { categories: [siteEvents.category] },
  async apply(event, tx) {
    const { type, data, stream, metadata } = event as RecordedEvent & SiteEvent;
    switch (type) {
      case 'SiteRegistered':
        await tx.insert(SiteRow, {
          ...data,
          id: entityOf(stream),
          address: data.address ?? null,
          registeredAt: new Date(metadata.occurredAt),
        });
    }
  },
};
