// One-event appends by the peer; the same measure as ours. Usage: node append.mjs <seconds> <callers>…; address in DATABASE_URL.
import { randomUUID } from 'node:crypto';
import { getPostgreSQLEventStore } from '@event-driven-io/emmett-postgresql';
import { closedLoop } from '../../dist/bench/closed-loop.js';

const [seconds, ...callers] = process.argv.slice(2).map(Number);
const store = getPostgreSQLEventStore(process.env.DATABASE_URL);
const { data, metadata } = JSON.parse(process.env.EVENT);
const run = randomUUID();
const results = {};
for (const count of callers) {
  let n = 0;
  results[count] = await closedLoop(count, seconds, () => {
    n += 1;
    return store.appendToStream(`camera-${run}-${count}-${n}`, [{ type: 'CameraSeen', data, metadata }]);
  });
}
await store.close();
console.log(JSON.stringify(results));
