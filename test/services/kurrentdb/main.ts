import { parseArgs } from 'node:util';
import { startKurrentStandIn } from './stand-in.js';

/** node dist/test/services/kurrentdb/main.js --port 2113 --journal events.jsonl */
const { values } = parseArgs({ options: { port: { type: 'string', default: '2113' }, journal: { type: 'string' } } });
const { journal } = values;
const standIn = await startKurrentStandIn({ port: Number(values.port), ...(journal === undefined ? {} : { journal }) });
process.stdout.write(`The KurrentDB stand-in answers on ${standIn.url}; it is not a server. Ctrl-C stops it.\n`);
process.once('SIGINT', () => void standIn.stop().then(() => process.exit(0)));
