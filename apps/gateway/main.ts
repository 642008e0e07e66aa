import { run } from '../composition/run.js';
import { startGateway } from './gateway.js';

await run('Mingjing', startGateway);
