import type { HeldPosition, ParkedEvent, Positions, RecordedEvent } from '#libs/event-store';
import { toCloudEvent } from './cloud-event.js';
import type { MessageBroker, Outgoing } from './port.js';
import { DEAD_LETTERS } from './topics.js';

export interface DeadLettersOptions {
  readonly broker: MessageBroker;
  readonly source: string;
  readonly subscription: string;
  readonly warn: (sentence: string) => void;
}

/**
 * Tells others of what a subscription has parked: after an event is parked it also goes to the topic of dead letters. The
 * parked events themselves, from which they are replayed, stay where they are kept; the topic is for watching.
 */
export class DeadLetters implements Positions {
  constructor(
    private readonly positions: Positions,
    private readonly options: DeadLettersOptions,
  ) {}

  async hold(...asked: Parameters<Positions['hold']>): Promise<HeldPosition> {
    const held = await this.positions.hold(...asked);
    return {
      get position() {
        return held.position;
      },
      advance: (position) => held.advance(position),
      beat: () => held.beat(),
      park: async (event, error, attempts) => {
        await held.park(event, error, attempts);
        await this.#tell(event, error, attempts);
      },
      unpark: (position) => held.unpark(position),
      release: () => held.release(),
    };
  }

  parked(...names: readonly string[]): Promise<readonly ParkedEvent[]> {
    return this.positions.parked(...names);
  }

  isLost(error: unknown): boolean {
    return this.positions.isLost(error);
  }

  async #tell(event: RecordedEvent, error: string, attempts: number): Promise<void> {
    const { broker, source, subscription, warn } = this.options;
    const sender = broker.sender();
    try {
      await sender.send([deadLetter(event, source, { subscription, error, attempts: String(attempts) })]);
    } catch (failure) {
      warn(
        `the event at position ${event.position} is parked, but was not told of on ${DEAD_LETTERS} (${String(failure)}).`,
      );
    } finally {
      await sender.close();
    }
  }
}

/** The event with what became of it. It names no event before it: it is no piece of the log. */
function deadLetter(event: RecordedEvent, source: string, fate: Readonly<Record<string, string>>): Outgoing {
  const { key, value, headers } = toCloudEvent(event, 0n, { source });
  const { ce_previous, ...rest } = headers;
  return { topic: DEAD_LETTERS, key, value, headers: { ...rest, ...fate } };
}
