import { join } from 'node:path';
import type { Provider } from '@nestjs/common';
import { catalogue, HUB_RIGHTS } from '#libs/catalogue';
import {
  createServiceRoles,
  EventStore,
  migrateEventStore,
  openEventStore,
  PostgresSubscriptions,
  Subscriptions,
  withCatalogue,
} from '#libs/event-store';
import { Clock, EventCatalogue } from '#libs/kernel';
import { feedFromKafka, subscriptionsFromKafka } from '#libs/messaging';
import {
  DATABASE_URL,
  EVENT_FEED,
  HUB_CONFIG,
  type HubConfig,
  Metrics,
  observeStore,
  setCommandDigestKey,
  startEmbeddedPostgres,
} from '#libs/platform';
import { KeyRing, PostgresVault, permitVault, SecretStore, Vault } from '#libs/vault';
import { warn } from './http.js';

/** The database of a process, before anything is opened on it. */
export interface Database {
  readonly ownerUrl: string;
  readonly serviceUrl: string;
  readonly serviceRole?: string;
  /** Resolves with one sentence when it has ended by itself. */
  readonly failed: Promise<string>;
  stop(): Promise<void>;
}

/** What every composition stands on. */
export interface Parts {
  /** For {@link PlatformModule}. */
  readonly providers: readonly Provider[];
  readonly metrics: Metrics;
  readonly store: EventStore;
  readonly vault: PostgresVault | undefined;
  close(): Promise<void>;
}

/** The database named in the settings, or a PostgreSQL of our own in the data folder. */
export async function openDatabase(config: HubConfig): Promise<Database> {
  if (config.databaseUrl === undefined) {
    const embedded = await startEmbeddedPostgres({ dataDir: join(config.dataDir, 'postgres') });
    const failed = new Promise<string>((resolve) => {
      void embedded.ended.then((asked) => {
        if (!asked) resolve('its PostgreSQL has ended by itself; start again, nothing acknowledged is lost.');
      });
    });
    return { ...embedded, failed };
  }
  const owner = config.databaseOwnerUrl;
  return {
    ownerUrl: owner ?? config.databaseUrl,
    serviceUrl: config.databaseUrl,
    ...(owner === undefined ? {} : { serviceRole: decodeURIComponent(new URL(config.databaseUrl).username) }),
    failed: new Promise(() => undefined),
    stop: async () => undefined,
  };
}

/** Brings the database up to date for a hub in one process, whose role may do everything but change what stands. */
export async function migrate({ ownerUrl, serviceRole: role }: Database): Promise<void> {
  if (role === undefined) {
    await migrateEventStore(ownerUrl);
    return;
  }
  const { categories, schemas, vault } = HUB_RIGHTS;
  await createServiceRoles(ownerUrl, [{ role, categories, schemas, subscriptions: ['*'] }]);
  await permitVault(ownerUrl, [{ role, uses: vault }]);
}

/** Where read models and subscriptions hear of events from. */
function readersOf(config: HubConfig, store: EventStore, positionsUrl: string): Provider[] {
  const { kafka, feed, publicUrl: source } = config;
  if (kafka === undefined || feed === 'store') {
    return [{ provide: Subscriptions, useFactory: () => new PostgresSubscriptions({ url: positionsUrl, store }) }];
  }
  const reader = { kafka, catalogue, store, warn };
  return [
    { provide: EVENT_FEED, useFactory: () => feedFromKafka(reader) },
    { provide: Subscriptions, useFactory: () => subscriptionsFromKafka(reader, { positionsUrl, source }) },
  ];
}

export interface PartsOptions {
  readonly clock: Clock;
  /** Whether the process seals or opens what lies in the vault. */
  readonly vault: boolean;
  /** Stream categories that it appends to; default all. */
  readonly categories?: readonly string[];
}

/** Opens the event store, and the vault for those that may, for the services of one process. */
export async function openParts(
  config: HubConfig,
  databaseUrl: string,
  { clock, vault: withVault, categories }: PartsOptions,
): Promise<Parts> {
  const metrics = new Metrics(config.metricsNetworks);
  const keys = new KeyRing(config.keysDir);
  setCommandDigestKey(keys.secret('commands'));
  const opened = await openEventStore(config.eventStore ?? databaseUrl, categories);
  const store = observeStore(withCatalogue(opened.store, catalogue), metrics);
  const vault = withVault ? new PostgresVault(databaseUrl, keys.secret('vault'), store) : undefined;
  const close = async () => {
    await vault?.stop();
    await opened.close();
  };
  try {
    await vault?.start();
  } catch (error) {
    await close();
    throw error;
  }
  const providers = [
    { provide: HUB_CONFIG, useValue: config },
    { provide: Clock, useValue: clock },
    { provide: Metrics, useValue: metrics },
    { provide: KeyRing, useValue: keys },
    { provide: EventStore, useValue: store },
    { provide: EventCatalogue, useValue: catalogue },
    { provide: DATABASE_URL, useValue: databaseUrl },
    ...readersOf(config, store, databaseUrl),
    ...(vault === undefined
      ? []
      : [
          { provide: Vault, useValue: vault },
          { provide: SecretStore, useValue: vault.secrets },
        ]),
  ];
  return { providers, metrics, store, vault, close };
}
