import type { EventStore, RecordedEvent } from '#libs/event-store';
import { EventDivisions, liesIn } from '#libs/regulation';

/** What of the record lies in the jurisdiction of one division (Art. 4.2), as {@link EventDivisions} places it. */
export class Jurisdiction {
  readonly #divisions: EventDivisions;

  constructor(
    store: EventStore,
    private readonly division: string,
  ) {
    this.#divisions = new EventDivisions(store);
  }

  /** Whether at least one division that the event concerns lies in the jurisdiction. */
  async covers(event: RecordedEvent): Promise<boolean> {
    return liesIn(this.division, await this.#divisions.of(event));
  }

  /** The same of a stream as a whole; undefined when there is no such stream. */
  async coversStream(stream: string): Promise<boolean | undefined> {
    const divisions = await this.#divisions.ofStream(stream);
    return divisions === undefined ? undefined : liesIn(this.division, divisions);
  }
}
