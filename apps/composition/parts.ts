import { join } from 'node:path';
import type { Provider } from '@nestjs/common';
import { catalogue } from '#libs/catalogue';
import {
  EventStore,
  migrateEventStore,
  PostgresEventStore,
  PostgresSubscriptions,
  Subscriptions,
  withCatalogue,
} from '#libs/event-store';
import { Clock, EventCatalogue } from '#libs/kernel';
import { DATABASE_URL, HUB_CONFIG, type HubConfig, setCommandDigestKey, startEmbeddedPostgres } from '#libs/platform';
import { KeyRing, PostgresVault, SecretStore, Vault } from '#libs/vault';

/** The database of a process, before anything is opened on it. */
export interface Database {
  readonly ownerUrl: string | undefined;
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
  readonly keys: KeyRing;
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

/** Brings the event store's schema up to date; for whoever owns the database. */
export async function migrate({ ownerUrl, serviceRole }: Database): Promise<void> {
  if (ownerUrl !== undefined) await migrateEventStore(ownerUrl, serviceRole);
}

/** Opens the event store, and the vault for those that may, for the services of one process. */
export async function openParts(
  config: HubConfig,
  databaseUrl: string,
  { clock, vault: withVault }: { readonly clock: Clock; readonly vault: boolean },
): Promise<Parts> {
  const keys = new KeyRing(config.keysDir);
  setCommandDigestKey(keys.secret('commands'));
  const postgres = new PostgresEventStore({ url: databaseUrl });
  const store = withCatalogue(postgres, catalogue);
  const vault = withVault ? new PostgresVault(databaseUrl, keys.secret('vault'), store) : undefined;
  const close = async () => {
    await vault?.stop();
    await postgres.close();
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
    { provide: KeyRing, useValue: keys },
    { provide: EventStore, useValue: store },
    { provide: EventCatalogue, useValue: catalogue },
    { provide: DATABASE_URL, useValue: databaseUrl },
    { provide: Subscriptions, useFactory: () => new PostgresSubscriptions({ url: databaseUrl, store }) },
    ...(vault === undefined
      ? []
      : [
          { provide: Vault, useValue: vault },
          { provide: SecretStore, useValue: vault.secrets },
        ]),
  ];
  return { providers, keys, close };
}
