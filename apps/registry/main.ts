import { RegistryModule } from '#libs/registry';
import { run } from '../composition/run.js';
import { startService } from '../composition/service.js';

await run('Mingjing registry', (config) => startService({ name: 'registry', feature: RegistryModule }, config));
