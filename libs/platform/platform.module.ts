import { type DynamicModule, Global, Module, type Provider } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_INTERCEPTOR, APP_PIPE } from '@nestjs/core';
import { CqrsModule } from '@nestjs/cqrs';
import { AccessGuard } from './access-guard.js';
import { Commands, RunCommandHandler } from './commands.js';
import { ProblemFilter } from './problem.filter.js';
import { StatusController, StatusReader } from './status.controller.js';
import { ValidationPipe } from './validation.pipe.js';
import { PositionInterceptor } from './written.js';

/**
 * What every service stands on. The composition root passes providers for `HUB_CONFIG`, `EventStore`, `Clock`,
 * `DATABASE_URL`, `KeyRing` and `Vault`; `Authenticator` comes from the identity module.
 */
@Global()
@Module({})
export class PlatformModule {
  static forRoot(providers: readonly Provider[]): DynamicModule {
    const own = [...providers, Commands];
    return {
      module: PlatformModule,
      imports: [CqrsModule.forRoot()],
      controllers: [StatusController],
      providers: [
        ...own,
        StatusReader,
        RunCommandHandler,
        { provide: APP_FILTER, useClass: ProblemFilter },
        { provide: APP_GUARD, useClass: AccessGuard },
        { provide: APP_PIPE, useClass: ValidationPipe },
        { provide: APP_INTERCEPTOR, useClass: PositionInterceptor },
      ],
      exports: own.map((provider) => (typeof provider === 'function' ? provider : provider.provide)),
    };
  }
}
