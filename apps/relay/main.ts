import { RelayModule } from '#libs/messaging';
import { run } from '../composition/run.js';
import { startService } from '../composition/service.js';

await run('Mingjing relay', (config) => startService({ name: 'relay', feature: RelayModule }, config));
