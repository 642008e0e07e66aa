import { IntegrationModule } from '#libs/integration';
import { mediaWire } from '#libs/media';
import { run } from '../composition/run.js';
import { startService } from '../composition/service.js';

await run('Mingjing integration', (config) =>
  startService({ name: 'integration', feature: IntegrationModule, asks: [{ port: mediaWire, of: 'media' }] }, config),
);
