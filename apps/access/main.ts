import { AccessModule } from '#libs/access';
import { accessWire } from '#libs/media';
import { run } from '../composition/run.js';
import { startService } from '../composition/service.js';

await run('Mingjing access', (config) =>
  startService({ name: 'access', feature: AccessModule, serves: [accessWire] }, config),
);
