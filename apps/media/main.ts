import { accessWire, MediaModule, mediaWire } from '#libs/media';
import { run } from '../composition/run.js';
import { startService } from '../composition/service.js';

await run('Mingjing media', (config) =>
  startService(
    {
      name: 'media',
      feature: MediaModule,
      serves: [mediaWire],
      asks: [{ port: accessWire, of: 'access' }],
      // One process records and plays; its folder is shared with those that stand by.
      single: true,
      needs: ['ffmpeg'],
    },
    config,
  ),
);
