import { Global, Module } from '@nestjs/common';
import type { ReadModelDefinition } from '#libs/event-store';
import { AccessPort } from '#libs/media';
import { ReadModelModule } from '#libs/platform';
import { Access1772323300000 } from './access.migration.js';
import { AccessRequestController } from './access-request/access-request.controller.js';
import { AccessRequestRow, GrantRow, RetrievalSessionRow } from './dossier.entity.js';
import { Dossiers, dossierProjections } from './dossier.view.js';
import { CameraRow, ClientRow, CredentialRow, OrganisationRow, PersonRow } from './facts.entity.js';
import { cameraProjection, Facts, identityProjection } from './facts.view.js';
import { GrantController } from './grant/grant.controller.js';
import { AccessDecisions } from './playback/access-decisions.js';
import { PlaybackController } from './playback/playback.controller.js';
import { PlaybackDecisions } from './playback/playback-decisions.js';
import { RetrievalSessionController } from './retrieval-session/retrieval-session.controller.js';
import { Streams } from './streams.js';

const accessReadModel: ReadModelDefinition = {
  schema: 'access',
  entities: [
    OrganisationRow,
    PersonRow,
    CredentialRow,
    ClientRow,
    CameraRow,
    AccessRequestRow,
    GrantRow,
    RetrievalSessionRow,
  ],
  migrations: [Access1772323300000],
  projections: [identityProjection, cameraProjection, ...dossierProjections],
};

/** Requests, grants, retrieval sessions and playback decisions (Art. 7, 15, 16, 18); answers the media gateway. */
@Global()
@Module({
  imports: [ReadModelModule.forFeature(accessReadModel)],
  controllers: [AccessRequestController, GrantController, RetrievalSessionController, PlaybackController],
  providers: [
    Streams,
    Facts,
    Dossiers,
    PlaybackDecisions,
    AccessDecisions,
    { provide: AccessPort, useExisting: AccessDecisions },
  ],
  exports: [AccessPort],
})
export class AccessModule {}
