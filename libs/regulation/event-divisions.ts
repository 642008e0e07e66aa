import type { EventStore, RecordedEvent } from '#libs/event-store';
import { categoryOf, entityOf, streamName } from '#libs/kernel';
import { covers } from './divisions.js';

/** Streams remembered at a time. */
const REMEMBERED_MAX = 10_000;

const PROVINCE = '52';

/** Categories whose streams are named after an entity of another category. */
const NAMED_AFTER: Readonly<Record<string, string>> = { recording: 'camera', cameraFeed: 'camera', signIn: 'person' };

interface Located {
  readonly division?: unknown;
  readonly divisions?: unknown;
  readonly cameraId?: unknown;
  readonly organisationId?: unknown;
}

/** Whether what concerns some divisions lies in a jurisdiction (Art. 4.2); what concerns none is the province's affair. */
export function liesIn(jurisdiction: string, divisions: readonly string[]): boolean {
  return (divisions.length === 0 ? [PROVINCE] : divisions).some((division) => covers(jurisdiction, division));
}

/**
 * Which divisions an event concerns: those that it names, else those of its camera, else those of its stream's first
 * event, else that of the organisation on whose behalf somebody acted. First events never change, so neither do the
 * answers. To be asked one question at a time.
 */
export class EventDivisions {
  readonly #known = new Map<string, readonly string[]>();

  constructor(private readonly store: EventStore) {}

  async of(event: RecordedEvent): Promise<readonly string[]> {
    const named = await this.#named(event);
    if (named.length > 0) return named;
    const ofStream = event.revision === 0n ? [] : await this.#ofStream(event.stream);
    if (ofStream.length > 0) return ofStream;
    const { organisationId } = event.metadata.actor;
    return organisationId === undefined ? [] : this.#ofStream(streamName('organisation', organisationId));
  }

  /** Those of a stream's first event; undefined when there is no such stream. */
  async ofStream(stream: string): Promise<readonly string[] | undefined> {
    const first = await this.#first(stream);
    return first === undefined ? undefined : this.of(first);
  }

  async #named({ stream, data }: RecordedEvent): Promise<readonly string[]> {
    const { division, divisions, cameraId, organisationId } = data as Located;
    if (Array.isArray(divisions)) return divisions as string[];
    if (typeof division === 'string') return [division];
    if (typeof cameraId === 'string') return this.#ofStream(streamName('camera', cameraId));
    const namesake = NAMED_AFTER[categoryOf(stream)];
    if (namesake !== undefined) return this.#ofStream(streamName(namesake, entityOf(stream)));
    if (typeof organisationId === 'string') return this.#ofStream(streamName('organisation', organisationId));
    return [];
  }

  async #ofStream(stream: string): Promise<readonly string[]> {
    const known = this.#known.get(stream);
    if (known !== undefined) return known;
    if (this.#known.size >= REMEMBERED_MAX) this.#known.clear();
    this.#known.set(stream, []); // so that streams that name each other come to an end
    const first = await this.#first(stream);
    const divisions = first === undefined ? [] : await this.#named(first);
    if (first === undefined) this.#known.delete(stream);
    else this.#known.set(stream, divisions);
    return divisions;
  }

  async #first(stream: string): Promise<RecordedEvent | undefined> {
    for await (const event of this.store.readStream(stream, { limit: 1 })) return event;
    return undefined;
  }
}
