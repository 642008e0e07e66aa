import { type DynamicModule, Module, type Provider } from '@nestjs/common';
import { AccessModule } from '#libs/access';
import { AuditModule } from '#libs/audit';
import { IdentityModule } from '#libs/identity';
import { IntegrationModule } from '#libs/integration';
import { MediaModule } from '#libs/media';
import { RelayModule } from '#libs/messaging';
import { type HubConfig, PlatformModule } from '#libs/platform';
import { RegistryModule } from '#libs/registry';

/** Every service in one process. */
@Module({})
export class HubModule {
  static forRoot(providers: readonly Provider[], { kafka }: HubConfig): DynamicModule {
    return {
      module: HubModule,
      imports: [
        PlatformModule.forRoot(providers),
        IdentityModule,
        RegistryModule,
        IntegrationModule,
        AccessModule,
        MediaModule,
        AuditModule,
        ...(kafka === undefined ? [] : [RelayModule]),
      ],
    };
  }
}
