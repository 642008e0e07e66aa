import { AuditModule } from '#libs/audit';
import { run } from '../composition/run.js';
import { startService } from '../composition/service.js';

await run('Mingjing audit', (config) => startService({ name: 'audit', feature: AuditModule }, config));
