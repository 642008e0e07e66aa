import { type DynamicModule, Module } from '@nestjs/common';
import { AccessModule } from '#libs/access';
import { AuditModule } from '#libs/audit';
import { catalogue } from '#libs/catalogue';
import { EventStore, PostgresSubscriptions, Subscriptions } from '#libs/event-store';
import { IdentityModule } from '#libs/identity';
import { IntegrationModule } from '#libs/integration';
import { Clock, EventCatalogue } from '#libs/kernel';
import { MediaModule } from '#libs/media';
import { DATABASE_URL, HUB_CONFIG, type HubConfig, PlatformModule } from '#libs/platform';
import { RegistryModule } from '#libs/registry';
import { KeyRing, type PostgresVault, SecretStore, Vault } from '#libs/vault';

/** What the hub has opened before its services start. */
export interface HubParts {
  readonly config: HubConfig;
  readonly clock: Clock;
  readonly keys: KeyRing;
  readonly store: EventStore;
  readonly vault: PostgresVault;
  readonly databaseUrl: string;
}

/** Every service in one process. */
@Module({})
export class HubModule {
  static forRoot({ config, clock, keys, store, vault, databaseUrl }: HubParts): DynamicModule {
    const platform = PlatformModule.forRoot([
      { provide: HUB_CONFIG, useValue: config },
      { provide: Clock, useValue: clock },
      { provide: KeyRing, useValue: keys },
      { provide: EventStore, useValue: store },
      { provide: EventCatalogue, useValue: catalogue },
      { provide: DATABASE_URL, useValue: databaseUrl },
      { provide: Vault, useValue: vault },
      { provide: SecretStore, useValue: vault.secrets },
      { provide: Subscriptions, useFactory: () => new PostgresSubscriptions({ url: databaseUrl, store }) },
    ]);
    return {
      module: HubModule,
      imports: [platform, IdentityModule, RegistryModule, IntegrationModule, AccessModule, MediaModule, AuditModule],
    };
  }
}
