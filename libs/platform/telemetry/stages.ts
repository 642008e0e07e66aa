import { Inject, Injectable } from '@nestjs/common';
import { EventStore, type ReadModel } from '#libs/event-store';
import { Source } from './source.js';

/** How far a read model is, as far as it can be told. */
interface ModelStage {
  readonly model: string;
  readonly position: bigint;
  /** Positions between it and the head; absent when the head is not known. */
  readonly lag?: bigint;
}

/** How far each stage of truth has come. What did not answer within a second is absent and named in `silent`. */
export interface StagesNow {
  /** Position of the newest event appended. */
  readonly appended?: bigint;
  /** Position up to which a relay has handed events to Kafka; absent also where no relay runs. */
  readonly delivered?: bigint;
  readonly models: readonly ModelStage[];
  /** How many events each subscription or read model has put aside. */
  readonly parked: readonly { readonly subscription: string; readonly events: number }[];
  readonly silent: readonly string[];
}

/** The parts of a read model that are looked at. */
export type WatchedModel = Pick<ReadModel, 'definition' | 'position' | 'reached' | 'parkedCount'> &
  Partial<Pick<ReadModel, 'fault'>>;

/** Knows where each stage of truth can be read: appended → projected → delivered, and what was parked on the way. */
@Injectable()
export class Stages {
  readonly #appended: Source<bigint>;
  readonly #models = new Map<string, WatchedModel>();
  readonly #parked = new Map<string, Source<number>>();
  #delivered: Source<bigint> | undefined;

  constructor(@Inject(EventStore) store: EventStore) {
    this.#appended = new Source(() => store.head());
  }

  /** Watches a read model under the name of its schema. */
  addReadModel(model: WatchedModel): void {
    this.#models.set(model.definition.schema, model);
    this.addParked(model.definition.schema, () => model.parkedCount());
  }

  /** Watches how many events a subscription has put aside. */
  addParked(subscription: string, count: () => number | Promise<number>): void {
    this.#parked.set(subscription, new Source(count));
  }

  /** Watches how far the relay of this process has come; asked only while it holds its lease. */
  addDelivered(position: () => bigint | Promise<bigint>): void {
    this.#delivered = new Source(position);
  }

  /** Position of the newest event. @throws when the store does not answer within a second */
  head(): Promise<bigint> {
    return this.#appended.look();
  }

  /** How many events a subscription has put aside. @throws when that cannot be told within a second */
  async parked(subscription: string): Promise<number> {
    const source = this.#parked.get(subscription);
    if (source === undefined) throw new Error(`nobody watches ${subscription}`);
    return source.look();
  }

  /** Looks at every stage at once; takes a second at most and never throws. */
  async read(): Promise<StagesNow> {
    const silent: string[] = [];
    const told = <T>(name: string, look: Promise<T> | undefined): Promise<T | undefined> | undefined =>
      look?.catch(() => {
        silent.push(name);
        return undefined;
      });
    const [appended, delivered, parked] = await Promise.all([
      told('event store', this.head()),
      told('relay', this.#delivered?.look()),
      Promise.all(
        [...this.#parked].map(async ([subscription, source]) => ({
          subscription,
          events: await told(`parked ${subscription}`, source.look()),
        })),
      ),
    ]);
    return {
      ...(appended === undefined ? {} : { appended }),
      ...(delivered === undefined ? {} : { delivered }),
      models: [...this.#models].map(([model, { position }]) => stageOf(model, position, appended)),
      parked: parked.flatMap(({ subscription, events }) => (events === undefined ? [] : [{ subscription, events }])),
      silent,
    };
  }
}

function stageOf(model: string, position: bigint, head: bigint | undefined): ModelStage {
  if (head === undefined) return { model, position };
  return { model, position, lag: head > position ? head - position : 0n };
}
