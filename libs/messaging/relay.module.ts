import {
  Inject,
  Injectable,
  Logger,
  Module,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { EventStore } from '#libs/event-store';
import { categoryOf, EventCatalogue } from '#libs/kernel';
import { DATABASE_URL, type Finding, HealthChecks, HUB_CONFIG, type HubConfig, Stages } from '#libs/platform';
import { Relay, type RelayStatus } from './relay.js';
import { layoutOf, serviceTopic } from './topics.js';

/** Topics that together carry the whole log. */
export function topicsOf(catalogue: EventCatalogue): readonly string[] {
  return servicesOf(catalogue).map(serviceTopic);
}

function servicesOf(catalogue: EventCatalogue): readonly string[] {
  return [...new Set(catalogue.streams.map(({ service }) => service))].sort();
}

/** Runs the relay with the process, and says how it is. */
@Injectable()
class RelayLifecycle implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #relay: Relay;

  constructor(
    @Inject(HUB_CONFIG) { kafka, publicUrl }: HubConfig,
    @Inject(EventStore) store: EventStore,
    @Inject(EventCatalogue) catalogue: EventCatalogue,
    @Inject(DATABASE_URL) positionsUrl: string,
    @Inject(HealthChecks) health: HealthChecks,
    @Inject(Stages) stages: Stages,
  ) {
    if (kafka === undefined) throw new Error('there is no relay without Kafka');
    const topics = new Map(catalogue.streams.map(({ category, service }) => [category, serviceTopic(service)]));
    const log = new Logger('Relay');
    this.#relay = new Relay({
      store,
      positionsUrl,
      kafka,
      layout: layoutOf(kafka, servicesOf(catalogue), []),
      route: (event) => [{ topic: topics.get(categoryOf(event.stream))!, event }],
      source: publicUrl,
      warn: (sentence) => log.warn(sentence),
    });
    health.add('relay', () => findingOf(this.#relay.status));
    stages.addDelivered(() => this.#relay.status.delivered);
  }

  onApplicationBootstrap(): void {
    this.#relay.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#relay.stop();
  }
}

/** A broker that is away is waited for; a fault needs somebody. */
function findingOf({ state, delivered, fault }: RelayStatus): Finding {
  if (fault !== undefined) return { up: false, says: `the relay sends nothing: ${fault}` };
  if (state === 'broker-away') return { up: true, says: `Kafka does not answer; delivered up to ${delivered}` };
  if (state === 'standing-by') return { up: true, says: 'another process relays' };
  return { up: true, says: `delivered up to ${delivered}` };
}

/** Sends what is appended to Kafka. Needs `MINGJING_KAFKA_BROKERS`. */
@Module({ providers: [RelayLifecycle] })
export class RelayModule {}
