import type { Projection, RecordedEvent } from '#libs/event-store';
import { entityOf } from '#libs/kernel';
import { OrganisationRow } from './organisation.entity.js';
import { type OrganisationEvent, organisationEvents } from './organisation.events.js';

export const organisationProjection: Projection = {
  name: 'organisation',
  filter: { categories: [organisationEvents.category] },
  async apply(event, tx) {
    const { type, data, stream, metadata } = event as RecordedEvent & OrganisationEvent;
    const id = entityOf(stream);
    if (type === 'OrganisationRegistered') {
      const registeredAt = new Date(metadata.occurredAt);
      await tx.insert(OrganisationRow, { ...data, id, parentId: data.parentId ?? null, powers: [], registeredAt });
      return;
    }
    const { powers } = await tx.findOneByOrFail(OrganisationRow, { id });
    const others = powers.filter(({ power }) => power !== data.power);
    await tx.update(OrganisationRow, { id }, { powers: type === 'PowerConferred' ? [...others, data] : others });
  },
};
