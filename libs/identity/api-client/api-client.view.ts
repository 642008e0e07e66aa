import type { Projection, RecordedEvent } from '#libs/event-store';
import { entityOf } from '#libs/kernel';
import { ApiClientRow } from './api-client.entity.js';
import { type ApiClientEvent, apiClientEvents, type PublicJwks } from './api-client.events.js';

export const apiClientProjection: Projection = {
  name: 'api-client',
  filter: { categories: [apiClientEvents.category] },
  async apply(event, tx) {
    const { type, data, stream, metadata } = event as RecordedEvent & ApiClientEvent;
    const id = entityOf(stream);
    switch (type) {
      case 'ApiClientRegistered': {
        const { jwks, ...client } = data;
        const registeredAt = new Date(metadata.occurredAt);
        await tx.insert(ApiClientRow, { ...client, id, keyIds: keyIds(jwks), active: true, registeredAt });
        return;
      }
      case 'ApiClientKeysReplaced':
        await tx.update(ApiClientRow, { id }, { keyIds: keyIds(data.jwks) });
        return;
      case 'ApiClientDeactivated':
        await tx.update(ApiClientRow, { id }, { active: false });
    }
  },
};

function keyIds({ keys }: PublicJwks): string[] {
  return keys.map(({ kid }) => kid);
}
