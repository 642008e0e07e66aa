import { startKafka } from './broker.js';

/** A broker to work with by hand: node dist/test/services/kafka/main.js [3] */
const kafka = await startKafka({ nodes: process.argv[2] === '3' ? 3 : 1, heapMb: 512 });
process.stdout.write(`Kafka answers on ${kafka.brokers.join(',')}; Ctrl-C stops it.\n`);
process.once('SIGINT', () => void kafka.stop().then(() => process.exit(0)));
