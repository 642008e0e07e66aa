import { type DynamicModule, Global, Module, type Provider } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_INTERCEPTOR, APP_PIPE } from '@nestjs/core';
import { CqrsModule } from '@nestjs/cqrs';
import { TerminusModule } from '@nestjs/terminus';
import { AccessGuard } from './access-guard.js';
import { Commands, RunCommandHandler } from './commands.js';
import { Drain } from './health/drain.js';
import { EventLoop } from './health/event-loop.js';
import { HealthChecks } from './health/health-checks.js';
import { ProblemFilter } from './problem.filter.js';
import { StatusController, StatusReader } from './status.controller.js';
import { MetricsController } from './telemetry/metrics.controller.js';
import { Metrics } from './telemetry/metrics.js';
import { Stages } from './telemetry/stages.js';
import { ValidationPipe } from './validation.pipe.js';
import { PositionInterceptor } from './written.js';

/**
 * What every service stands on. The composition root passes providers for `HUB_CONFIG`, `EventStore`, `Clock`,
 * `DATABASE_URL`, `KeyRing` and `Vault`, and its own `Metrics` where more than HTTP is to be measured;
 * `Authenticator` comes from the identity module.
 */
@Global()
@Module({})
export class PlatformModule {
  static forRoot(providers: readonly Provider[]): DynamicModule {
    const metrics = { provide: Metrics, useFactory: () => new Metrics() };
    const loop = { provide: EventLoop, useFactory: () => new EventLoop() };
    // Of two providers for one token the later one counts.
    const own = [metrics, ...providers, Commands, Stages, Drain, HealthChecks];
    return {
      module: PlatformModule,
      imports: [CqrsModule.forRoot(), TerminusModule.forRoot({ logger: false })],
      controllers: [StatusController, MetricsController],
      providers: [
        ...own,
        loop,
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
