import type { Projection, RecordedEvent } from '#libs/event-store';
import { assertNever, entityOf } from '#libs/kernel';
import { PersonRow } from './person.entity.js';
import { type PersonEvent, personEvents } from './person.events.js';

export const personProjection: Projection = {
  name: 'person',
  filter: { categories: [personEvents.category] },
  async apply(event, tx) {
    const { stream, metadata, ...fact } = event as RecordedEvent & PersonEvent;
    const id = entityOf(stream);
    if (fact.type === 'PersonRegistered') {
      const registeredAt = new Date(metadata.occurredAt);
      const { organisationId } = fact.data;
      const nothing = { roles: [], credentials: [], enrolled: false };
      await tx.insert(PersonRow, { id, organisationId, ...nothing, active: true, registeredAt });
      return;
    }
    const person = await tx.findOneByOrFail(PersonRow, { id });
    await tx.update(PersonRow, { id }, changeBy(fact, person));
  },
};

/** What an event changes in a person's row. */
function changeBy(
  event: Exclude<PersonEvent, { type: 'PersonRegistered' }>,
  { roles, credentials, enrolled }: PersonRow,
): Partial<PersonRow> {
  switch (event.type) {
    case 'RoleGranted':
      return { roles: [...roles, event.data.role] };
    case 'RoleRevoked':
      return { roles: roles.filter((role) => role !== event.data.role) };
    case 'EnforcementCredentialFiled': {
      const { credentialId: id, issuer, issuerName, validFrom, validTo } = event.data;
      return { credentials: [...credentials, { id, issuer, issuerName, validFrom, validTo }] };
    }
    case 'EnforcementCredentialWithdrawn':
      return { credentials: credentials.filter(({ id }) => id !== event.data.credentialId) };
    case 'EnrolmentIssued':
      return { enrolled };
    case 'SignInEnrolled':
      return { enrolled: true };
    case 'PersonDeactivated':
      return { active: false };
    default:
      return assertNever(event);
  }
}
