import { type DynamicModule, Inject, Module, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { EventStore, ReadModel, type ReadModelDefinition } from '#libs/event-store';
import { HealthChecks } from './health/health-checks.js';
import { readModelCheck } from './health/read-model-check.js';
import { Stages } from './telemetry/stages.js';

/** Injection token of the URL of the database that holds read models, positions and credentials. */
export const DATABASE_URL = Symbol('DATABASE_URL');

/** Injection token of where events are heard from (`follow` of the event store's port); without it the store itself. */
export const EVENT_FEED = Symbol('EVENT_FEED');

/** Injection token of the read model of one service. */
export function readModelToken(schema: string): string {
  return `read model ${schema}`;
}

/** Injects the read model of one service. */
export const InjectReadModel = (schema: string) => Inject(readModelToken(schema));

/** Gives a feature its read model: its own schema, migrated and following the events from start to shutdown. */
@Module({})
export class ReadModelModule {
  static forFeature(definition: ReadModelDefinition): DynamicModule {
    const token = readModelToken(definition.schema);

    class Lifecycle implements OnModuleInit, OnApplicationShutdown {
      constructor(
        private readonly model: ReadModel,
        private readonly stages: Stages,
        private readonly health: HealthChecks,
      ) {}
      async onModuleInit(): Promise<void> {
        this.stages.addReadModel(this.model);
        this.health.add(`read model ${definition.schema}`, readModelCheck(this.stages, this.model));
        await this.model.start();
      }
      async onApplicationShutdown(): Promise<void> {
        await this.model.stop();
      }
    }

    return {
      module: ReadModelModule,
      providers: [
        {
          provide: token,
          inject: [DATABASE_URL, EventStore, { token: EVENT_FEED, optional: true }],
          useFactory: (url: string, store: EventStore, feed?: Pick<EventStore, 'follow'>) =>
            new ReadModel(definition, { url, store, feed }),
        },
        {
          provide: `${token} lifecycle`,
          inject: [token, Stages, HealthChecks],
          useFactory: (...given: ConstructorParameters<typeof Lifecycle>) => new Lifecycle(...given),
        },
      ],
      exports: [token],
    };
  }
}
