import type { EventStore, RecordedEvent } from '#libs/event-store';
import { type EventCatalogue, type EventMetadata, isId, type OrganisationKind, streamName } from '#libs/kernel';
import { platformRefusals } from '#libs/platform';
import { EventDivisions, liesIn } from '#libs/regulation';
import { Concerns } from './concerns.js';
import type { Publication } from './relay.js';
import { bureauTopic, departmentTopic, serviceTopic } from './topics.js';

/** An organisation that has a topic of its own. */
export interface Recipient {
  readonly organisationId: string;
  readonly topic: string;
  /** Division of a public security organ: all of it is its affair (Art. 4.2). Others get only what concerns them. */
  readonly jurisdiction?: string;
}

export interface RoutesOptions {
  /** The store, in today's shapes. */
  readonly store: EventStore;
  readonly catalogue: EventCatalogue;
  readonly recipients: readonly Recipient[];
}

/**
 * The organisations of a configured list, with their topics.
 * @throws Refusal `platform.bad-configuration` naming what is no organisation
 */
export async function recipientsOf(store: EventStore, organisationIds: readonly string[]): Promise<Recipient[]> {
  const recipients: Recipient[] = [];
  for (const organisationId of new Set(organisationIds)) {
    const organisation = isId(organisationId) ? await registered(store, organisationId) : undefined;
    if (organisation === undefined) {
      throw platformRefusals['platform.bad-configuration'](
        `MINGJING_KAFKA_DEPARTMENTS: no organisation ${organisationId} is registered`,
      );
    }
    const { kind, division } = organisation;
    recipients.push(
      kind === 'public-security-organ'
        ? { organisationId, topic: bureauTopic(organisationId), jurisdiction: division }
        : { organisationId, topic: departmentTopic(organisationId) },
    );
  }
  return recipients;
}

async function registered(store: EventStore, id: string) {
  for await (const { data } of store.readStream(streamName('organisation', id), { limit: 1 })) {
    return data as { readonly kind: OrganisationKind; readonly division: string };
  }
  return undefined;
}

/**
 * Where events are published, and as what: each whole on the topic of its service and of every bureau in whose
 * jurisdiction it lies, and on the topics of the other organisations that it concerns without what is not theirs to
 * see. The same event always takes the same way. To be asked of one event at a time.
 */
export function routes({ store, catalogue, recipients }: RoutesOptions): (e: RecordedEvent) => Promise<Publication[]> {
  const divisions = new EventDivisions(store);
  const concerns = new Concerns(store);
  const bureaus = recipients.some(({ jurisdiction }) => jurisdiction !== undefined);
  return async (event) => {
    const publications: Publication[] = [{ topic: serviceTopic(catalogue.get(event.type).service), event }];
    if (recipients.length === 0) return publications;
    const places = bureaus ? await divisions.of(event) : [];
    const concerned = await concerns.of(event);
    for (const { organisationId, topic, jurisdiction } of recipients) {
      if (jurisdiction !== undefined && liesIn(jurisdiction, places)) publications.push({ topic, event });
      else if (concerned.includes(organisationId)) {
        publications.push({ topic, event: await shownTo(organisationId, event, concerns) });
      }
    }
    return publications;
  };
}

/** Stands where an id of a person of another organisation stood (RFC 9562 §5.9); it fits the same schema. */
export const SOMEBODY = '00000000-0000-0000-0000-000000000000';

const ID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi;

/**
 * An event as one organisation sees it. Ids of persons who work elsewhere become {@link SOMEBODY}, so that nobody can
 * follow an official of another organisation from event to event; which organisation acted, and in what role, stays.
 * Marks of the command and of the trace are of no use outside the hub and are left out.
 * Commitments to personal data occur on streams of persons only, which concern their employer alone.
 */
async function shownTo(organisationId: string, event: RecordedEvent, concerns: Concerns): Promise<RecordedEvent> {
  const { commandId, fingerprint, traceparent, ...metadata } = event.metadata;
  const parts = { data: event.data, metadata };
  const elsewhere = new Set<string>();
  const named = new Set(JSON.stringify([event.data, metadata.actor]).match(ID));
  await Promise.all(
    [...named].map(async (id) => {
      const employer = await concerns.employerOf(id.toLowerCase());
      if (employer !== undefined && employer !== organisationId) elsewhere.add(id);
    }),
  );
  if (elsewhere.size === 0) return { ...event, ...parts };
  return { ...event, ...(veiled(parts, elsewhere) as { data: unknown; metadata: EventMetadata }) };
}

function veiled(value: unknown, ids: ReadonlySet<string>): unknown {
  if (typeof value === 'string') return value.replaceAll(ID, (id) => (ids.has(id) ? SOMEBODY : id));
  if (Array.isArray(value)) return value.map((item) => veiled(item, ids));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, veiled(item, ids)]));
}
