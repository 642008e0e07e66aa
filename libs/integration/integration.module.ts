import { Module } from '@nestjs/common';
import { ReadModelModule } from '#libs/platform';
import { ConnectionController } from './connection/connection.controller.js';
import { ConnectionView, integrationReadModel } from './connection/connection.view.js';
import { Connections } from './connection/connections.js';

/** Interface connections to cameras (Art. 7). `MediaPort` must be provided for the whole application. */
@Module({
  imports: [ReadModelModule.forFeature(integrationReadModel)],
  controllers: [ConnectionController],
  providers: [ConnectionView, Connections],
})
export class IntegrationModule {}
