import { run } from '../composition/run.js';
import { startHub } from './hub.js';

await run('Mingjing', startHub);
