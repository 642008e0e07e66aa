import type { RecordedEvent } from '#libs/event-store';
import { categoryOf, entityOf } from '#libs/kernel';
import { auditRefusals } from './audit.refusals.js';
import type { SUBJECTS } from './audit-reading.events.js';

/** What a history is about: a camera, person or grant by id, a case by its number. */
export interface Subject {
  readonly kind: (typeof SUBJECTS)[number];
  readonly id: string;
}

/** Streams that lead on: from a request to its grant, sessions, playbacks, clips. */
export const LEADING_CATEGORIES = [
  'accessRequest',
  'grant',
  'retrievalSession',
  'playback',
  'clipDecision',
  'clip',
] as const;

/** Most streams that one history follows; memory grows with these, not with the store. */
const FOLLOWED_MAX = 50_000;

/**
 * Which events belong to the history of a subject. Fed with the events in their order, once each: an event belongs
 * when its stream or its data names the subject, for a person also when the person acted; for case, person and grant
 * also when it lies on, or names, a leading stream that belongs already.
 */
export class History {
  readonly #followed = new Set<string>();

  /** @param known entities that belong to the subject although no event before them says so */
  constructor(
    readonly subject: Subject,
    known: readonly string[] = [],
  ) {
    for (const id of known) this.#followed.add(id);
  }

  belongs(event: RecordedEvent): boolean {
    const category = categoryOf(event.stream);
    const { kind, id } = this.subject;
    // Who read a history stands in the reader's own history; else each page read would lengthen what is read.
    if (category === 'auditReading') return kind === 'person' && event.metadata.actor.id === id;
    const leading = kind !== 'camera' && LEADING_CATEGORIES.some((leads) => leads === category);
    const led =
      leading && (this.#followed.has(entityOf(event.stream)) || names(event.data, (s) => this.#followed.has(s)));
    if (!led && !this.#direct(event)) return false;
    if (leading) this.#follow(entityOf(event.stream));
    return true;
  }

  #direct({ stream, data, metadata }: RecordedEvent): boolean {
    const { kind, id } = this.subject;
    if (kind === 'case') return (data as { caseNumber?: unknown }).caseNumber === id;
    if (entityOf(stream) === id || names(data, (text) => text === id)) return true;
    return kind === 'person' && metadata.actor.id === id;
  }

  #follow(id: string): void {
    this.#followed.add(id);
    if (this.#followed.size > FOLLOWED_MAX) {
      throw auditRefusals['audit.history-too-wide'](`more than ${FOLLOWED_MAX} streams`);
    }
  }
}

/** Whether some text anywhere in JSON data is one that is looked for. */
function names(data: unknown, wanted: (text: string) => boolean): boolean {
  if (typeof data === 'string') return wanted(data);
  if (typeof data !== 'object' || data === null) return false;
  return Object.values(data).some((value) => names(value, wanted));
}
