import { join } from 'node:path';
import { Global, Logger, Module } from '@nestjs/common';
import { Clock } from '#libs/kernel';
import { HUB_CONFIG, type HubConfig } from '#libs/platform';
import { ClipController } from './clip.controller.js';
import { CLIPS_FOLDER, Clips } from './clips.js';
import { MediaGateway } from './media.gateway.js';
import { MediaProcess } from './media.process.js';
import { PlaybackController } from './playback.controller.js';
import { Playbacks } from './playback.js';
import { PlaybackMarks } from './playback-marks.js';
import { AccessPort, MediaPort } from './ports.js';
import { Recorders } from './recorders.js';
import { SegmentIndex } from './segment-index.js';
import { SourceGuard } from './source-address.js';

const log = new Logger('Media');

/** The media gateway: pulls, records, plays by ticket, exports. Needs `AccessPort` and what the platform provides. */
@Global()
@Module({
  controllers: [PlaybackController, ClipController],
  providers: [
    {
      provide: SegmentIndex,
      inject: [HUB_CONFIG],
      useFactory: ({ dataDir }: HubConfig) =>
        new SegmentIndex(join(dataDir, 'recordings'), (said, facts) => log.warn(`${said} ${JSON.stringify(facts)}`)),
    },
    {
      provide: SourceGuard,
      inject: [HUB_CONFIG],
      useFactory: ({ sourceNetworks, sourceFolder }: HubConfig) =>
        new SourceGuard({ networks: sourceNetworks, folder: sourceFolder }),
    },
    {
      provide: PlaybackMarks,
      inject: [HUB_CONFIG, AccessPort],
      useFactory: ({ dataDir }: HubConfig, access: AccessPort) => new PlaybackMarks(join(dataDir, 'playing'), access),
    },
    {
      provide: Playbacks,
      inject: [PlaybackMarks, Clock],
      useFactory: (access: PlaybackMarks, clock: Clock) =>
        new Playbacks(access, clock, undefined, (id, error) => log.error(`end of playback ${id}: ${error.message}`)),
    },
    { provide: CLIPS_FOLDER, inject: [HUB_CONFIG], useFactory: ({ dataDir }: HubConfig) => join(dataDir, 'clips') },
    Clips,
    Recorders,
    MediaProcess,
    { provide: MediaPort, useClass: MediaGateway },
  ],
  exports: [MediaPort],
})
export class MediaModule {}
