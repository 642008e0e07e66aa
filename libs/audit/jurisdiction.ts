import type { EventStore, RecordedEvent } from '#libs/event-store';
import { categoryOf, entityOf, streamName } from '#libs/kernel';
import { covers } from '#libs/regulation';

/** Streams remembered for one reading. */
const REMEMBERED_MAX = 10_000;

interface Located {
  readonly division?: unknown;
  readonly divisions?: unknown;
  readonly cameraId?: unknown;
  readonly organisationId?: unknown;
}

/**
 * Which divisions an event concerns: those that it names, else those of its camera, else those of its stream's first
 * event, else that of the organisation on whose behalf somebody acted. Asked only of events that belong to a history.
 */
export class Jurisdiction {
  readonly #known = new Map<string, readonly string[]>();

  constructor(
    private readonly store: EventStore,
    private readonly division: string,
  ) {}

  /** Whether at least one division that the event concerns lies in the jurisdiction (Art. 4.2). */
  async covers(event: RecordedEvent): Promise<boolean> {
    return this.#inside(await this.#divisionsOf(event));
  }

  /** The same of a stream as a whole; undefined when there is no such stream. */
  async coversStream(stream: string): Promise<boolean | undefined> {
    const first = await this.#first(stream);
    return first === undefined ? undefined : this.covers(first);
  }

  #inside(divisions: readonly string[]): boolean {
    // What concerns no division is the province's affair.
    return (divisions.length === 0 ? ['52'] : divisions).some((d) => covers(this.division, d));
  }

  async #divisionsOf(event: RecordedEvent): Promise<readonly string[]> {
    const named = await this.#named(event);
    if (named.length > 0) return named;
    const ofStream = await this.#ofStream(event.stream);
    if (ofStream.length > 0) return ofStream;
    const { organisationId } = event.metadata.actor;
    return organisationId === undefined ? [] : this.#ofStream(streamName('organisation', organisationId));
  }

  async #named({ stream, data }: RecordedEvent): Promise<readonly string[]> {
    const { division, divisions, cameraId, organisationId } = data as Located;
    if (Array.isArray(divisions)) return divisions as string[];
    if (typeof division === 'string') return [division];
    if (typeof cameraId === 'string') return this.#ofStream(streamName('camera', cameraId));
    if (categoryOf(stream) === 'recording') return this.#ofStream(streamName('camera', entityOf(stream)));
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
    this.#known.set(stream, divisions);
    return divisions;
  }

  async #first(stream: string): Promise<RecordedEvent | undefined> {
    for await (const event of this.store.readStream(stream, { limit: 1 })) return event;
    return undefined;
  }
}
