/** The events; the first thing that a backup takes. */
export const EVENTS = { name: 'event_store.event', orderBy: 'position' } as const;

/**
 * What no event holds, in an order in which references find what they refer to. Read models are not here: they are made
 * anew from the events. Nor are sessions and refresh tokens (openid): an old one must not come back to life.
 */
export const TABLES = [
  { name: 'event_store.subscription', orderBy: 'name' },
  { name: 'event_store.parked', orderBy: 'subscription, position' },
  { name: 'vault.key_check', orderBy: 'single' },
  { name: 'vault.person_key', orderBy: 'person_id' },
  { name: 'vault.personal_field', orderBy: 'person_id, field' },
  { name: 'vault.secret', orderBy: 'id' },
  { name: 'sign_in.key_check', orderBy: 'single' },
  { name: 'sign_in.credential', orderBy: 'person_id' },
  { name: 'sign_in.enrolment', orderBy: 'person_id' },
] as const;
