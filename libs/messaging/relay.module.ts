import {
  Inject,
  Injectable,
  Logger,
  Module,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { EventStore } from '#libs/event-store';
import { EventCatalogue } from '#libs/kernel';
import { DATABASE_URL, type Finding, HealthChecks, HUB_CONFIG, type HubConfig, Stages } from '#libs/platform';
import { servicesOf } from './from-config.js';
import { PlatformaticBroker } from './platformatic-broker.js';
import { Relay, type RelayStatus } from './relay.js';
import { recipientsOf, routes } from './routes.js';
import { layoutOf } from './topics.js';

/** Runs the relay with the process, and says how it is. */
@Injectable()
class RelayLifecycle implements OnApplicationBootstrap, OnApplicationShutdown {
  #relay: Relay | undefined;

  constructor(
    @Inject(HUB_CONFIG) private readonly config: HubConfig,
    @Inject(EventStore) private readonly store: EventStore,
    @Inject(EventCatalogue) private readonly catalogue: EventCatalogue,
    @Inject(DATABASE_URL) private readonly positionsUrl: string,
    @Inject(HealthChecks) health: HealthChecks,
    @Inject(Stages) stages: Stages,
  ) {
    const status = () => this.#relay?.status ?? { state: 'stopped', delivered: 0n };
    health.add('relay', () => findingOf(status()));
    stages.addDelivered(() => status().delivered);
  }

  /** @throws Refusal `platform.bad-configuration` when a topic is wanted for an organisation that there is not */
  async onApplicationBootstrap(): Promise<void> {
    const { store, catalogue, positionsUrl } = this;
    const { kafka, publicUrl } = this.config;
    if (kafka === undefined) throw new Error('there is no relay without Kafka');
    const recipients = await recipientsOf(store, kafka.departments);
    const topics = recipients.map(({ topic }) => topic);
    const log = new Logger('Relay');
    this.#relay = new Relay({
      store,
      positionsUrl,
      broker: new PlatformaticBroker(kafka),
      layout: layoutOf(kafka, servicesOf(catalogue), topics),
      route: routes({ store, catalogue, recipients }),
      source: publicUrl,
      warn: (sentence) => log.warn(sentence),
    });
    this.#relay.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#relay?.stop();
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
