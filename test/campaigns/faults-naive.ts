/**
 * The controls of the fault campaign, to be killed at the wrong moment: a relay that stores its checkpoint before it
 * sends, and a consumer that stores effect and position in two transactions. Usage: faults-naive.js relay|consumer
 */
import pg from 'pg';
import { catalogue } from '#libs/catalogue';
import { PostgresEventStore } from '#libs/event-store';
import { fromCloudEvent, PlatformaticBroker, toCloudEvent, topicsOf } from '#libs/messaging';
import type { KafkaConfig } from '#libs/platform';

const { NAIVE_DATABASE: url = '', NAIVE_BROKERS: brokers = '', NAIVE_TOPIC: topic = '' } = process.env;
const kafka: KafkaConfig = {
  brokers: brokers.split(','),
  ...{ tls: undefined, sasl: undefined, partitions: 3, replication: 1, departments: [] },
};
const broker = new PlatformaticBroker(kafka);
const TABLES = `
CREATE SCHEMA IF NOT EXISTS naive;
CREATE TABLE IF NOT EXISTS naive.position (name text PRIMARY KEY, position bigint NOT NULL);
CREATE TABLE IF NOT EXISTS naive.effect (position bigint NOT NULL);`;
const BATCH = 50;

async function connected(name: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, application_name: name });
  await client.connect();
  return client;
}

const effects = await connected('naive effect');
await effects.query(TABLES);
const positions = await connected('naive position');

async function stored(name: string): Promise<bigint> {
  const { rows } = await effects.query('SELECT position FROM naive.position WHERE name = $1', [name]);
  return BigInt((rows[0] as { position: string } | undefined)?.position ?? -1);
}

async function store(name: string, position: bigint): Promise<void> {
  const sql = `INSERT INTO naive.position VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET position = $2`;
  await positions.query(sql, [name, position]);
}

/** The mistake: the checkpoint says that events have been sent which are about to be sent. */
async function relay(): Promise<void> {
  await broker.ensureTopics([{ topic, partitions: 3, replicas: 1, configs: { 'cleanup.policy': 'delete' } }]);
  const log = new PostgresEventStore({ url });
  const sender = broker.sender();
  let last = (await stored('relay')) < 0n ? 0n : await stored('relay');
  for (;;) {
    const messages = [];
    for await (const event of log.readAll(last)) {
      messages.push({ topic, ...toCloudEvent(event, last, { source: 'urn:mingjing:naive' }) });
      last = event.position;
      if (messages.length >= BATCH) break;
    }
    if (messages.length === 0) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      continue;
    }
    await store('relay', last);
    await sender.send(messages);
  }
}

/** The mistake: whoever is killed between the two transactions does the effect again. */
async function consumer(): Promise<void> {
  const done = new Map<string, bigint>();
  for await (const message of await broker.consume({ topics: topicsOf(catalogue), group: `naive-${process.pid}` })) {
    const partition = `${message.topic}/${message.partition}`;
    if (!done.has(partition)) done.set(partition, await stored(partition));
    if (message.offset <= done.get(partition)!) continue;
    await effects.query('INSERT INTO naive.effect VALUES ($1)', [fromCloudEvent(message).event.position]);
    await store(partition, message.offset);
  }
}

await (process.argv[2] === 'relay' ? relay() : consumer());
