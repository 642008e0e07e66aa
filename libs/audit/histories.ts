import { Inject, Injectable } from '@nestjs/common';
import { EventStore, newEvent, type RecordedEvent } from '#libs/event-store';
import { EventCatalogue, type RequestContext, streamName } from '#libs/kernel';
import { platformRefusals } from '#libs/platform';
import { auditRefusals } from './audit.refusals.js';
import { auditReadingEvents } from './audit-reading.events.js';
import { History, LEADING_CATEGORIES, type Subject } from './history.js';
import { Jurisdiction } from './jurisdiction.js';

export interface HistoryQuery {
  /** Position, or ISO time of recording, up to which the store is read; default now. */
  readonly asOf?: string | undefined;
  /** Position of the last row of the page before. */
  readonly after: bigint;
  readonly limit: number;
}

const POSITION = /^\d{1,19}$/;

/** Histories by plain replay: one forward pass over the store, holding only the page and the streams followed. */
@Injectable()
export class Histories {
  constructor(
    @Inject(EventStore) private readonly store: EventStore,
    @Inject(EventCatalogue) private readonly catalogue: EventCatalogue,
  ) {}

  /**
   * One page of the history of a subject, as far as it lies in the reader's jurisdiction. The reading itself is on
   * record before the page is handed out.
   * @throws Refusal `audit.no-such-subject`, `audit.outside-jurisdiction`, `audit.as-of-in-future`,
   *   `audit.history-too-wide`; `platform.unavailable` when the reading cannot be recorded
   */
  async page(subject: Subject, { asOf, after, limit }: HistoryQuery, context: RequestContext) {
    // 1. Who may read it, and up to where
    const jurisdiction = new Jurisdiction(this.store, context.principal.organisation.division);
    await requireSubject(subject, jurisdiction);
    const head = await this.store.head();
    const asked = asOf ?? String(head);
    const byTime = !POSITION.test(asked);
    const until = byTime ? head : BigInt(asked);
    if (until > head) throw auditRefusals['audit.as-of-in-future'](`the newest event has the position ${head}`);

    // 2. The reading is on record
    await this.#record(subject, asked, after, context);

    // 3. The pass
    const known = subject.kind === 'grant' ? await this.#requestOf(subject.id) : [];
    const history = new History(subject, known);
    const items: object[] = [];
    let last = after;
    let more = false;
    for await (const event of this.store.readAll(0n, filterOf(subject))) {
      if (event.position > until || (byTime && Date.parse(event.recordedAt) > Date.parse(asked))) break;
      if (!history.belongs(event) || event.position <= after || !(await jurisdiction.covers(event))) continue;
      if (items.length === limit) {
        more = true;
        break;
      }
      items.push(this.#row(event));
      last = event.position;
    }
    return { items, asOf: asked, nextAfter: more ? String(last) : null };
  }

  #row({ position, recordedAt, type, metadata, stream, revision, data }: RecordedEvent): object {
    const [en, zh] = this.catalogue.get(type).meaning;
    const { occurredAt, actor, rules, refusal } = metadata;
    return {
      position: String(position),
      time: recordedAt,
      occurredAt,
      type,
      meaning: { en, zh },
      actor,
      rules,
      ...(refusal === undefined ? {} : { refusal }),
      stream,
      revision: String(revision),
      data,
    };
  }

  async #record(subject: Subject, asOf: string, after: bigint, context: RequestContext): Promise<void> {
    const data = { subject, asOf, after: String(after) };
    const event = newEvent(auditReadingEvents, { type: 'HistoryRead', data }, context);
    const stream = streamName(auditReadingEvents.category, context.principal.id);
    try {
      await this.store.append([{ stream, expected: 'any', events: [event] }]);
    } catch (error) {
      throw platformRefusals['platform.unavailable'](`the reading cannot be recorded: ${(error as Error).name}`);
    }
  }

  /** The request that a grant came from: its first event is older than the grant. */
  async #requestOf(grantId: string): Promise<string[]> {
    for await (const { data } of this.store.readStream(streamName('grant', grantId), { limit: 1 })) {
      return [(data as { requestId: string }).requestId];
    }
    return [];
  }
}

function filterOf({ kind }: Subject) {
  return kind === 'case' || kind === 'grant' ? { categories: LEADING_CATEGORIES } : {};
}

/** Cameras and grants have a place; what of a case or a person may be seen is decided event by event. */
async function requireSubject({ kind, id }: Subject, jurisdiction: Jurisdiction): Promise<void> {
  if (kind === 'case') return;
  const covered = await jurisdiction.coversStream(streamName(kind, id));
  if (covered === undefined) throw auditRefusals['audit.no-such-subject'](`${kind} ${id}`);
  if (!covered && kind !== 'person') throw auditRefusals['audit.outside-jurisdiction'](`${kind} ${id}`);
}
