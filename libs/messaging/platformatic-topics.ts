import { Admin, type BaseOptions, ConfigResourceTypes } from '@platformatic/kafka';
import { KafkaFaultError, type TopicLayout } from './port.js';

/**
 * Creates the topics that are missing and checks the others; changes none.
 * @throws KafkaFaultError in one sentence when a topic is laid out in another way
 */
export async function ensureTopics(connection: BaseOptions, layouts: readonly TopicLayout[]): Promise<void> {
  const admin = new Admin(connection);
  try {
    const there = new Set(await admin.listTopics());
    for (const layout of layouts) {
      if (there.has(layout.topic)) await check(admin, layout);
      else await create(admin, layout);
    }
  } finally {
    await admin.close().catch(() => {});
  }
}
async function create(admin: Admin, { topic, partitions, replicas, configs }: TopicLayout): Promise<void> {
  try {
    await admin.createTopics({
      topics: [{ topic, partitions, replicas }],
      configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
    });
  } catch (error) {
    if (!/TOPIC_ALREADY_EXISTS|already exists/i.test(textOf(error))) throw error; // another process was quicker
  }
}

async function check(admin: Admin, { topic, partitions, replicas, configs }: TopicLayout): Promise<void> {
  const metadata = await admin.metadata({ topics: [topic], forceUpdate: true });
  const found = metadata.topics.get(topic);
  if (found === undefined) throw new Error(`topic ${topic} is not to be seen yet`);
  if (found.partitionsCount !== partitions) {
    throw wrong(topic, `${found.partitionsCount} partitions`, `${partitions} (MINGJING_KAFKA_PARTITIONS)`);
  }
  const least = Math.min(...found.partitions.map((partition) => partition.replicas.length));
  if (least < replicas) throw wrong(topic, `${least} replicas`, `${replicas} (MINGJING_KAFKA_REPLICATION)`);
  const [described] = await admin.describeConfigs({
    resources: [
      { resourceType: ConfigResourceTypes.TOPIC, resourceName: topic, configurationKeys: Object.keys(configs) },
    ],
  });
  for (const { name, value } of described?.configs ?? []) {
    const wanted = configs[name];
    if (wanted !== undefined && value !== wanted) throw wrong(topic, `${name}=${value}`, wanted);
  }
}

function wrong(topic: string, found: string, wanted: string): KafkaFaultError {
  return new KafkaFaultError(
    `topic ${topic} has ${found} where ${wanted} is wanted; alter it in Kafka or the setting.`,
  );
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { errors } = error as { errors?: readonly unknown[] };
  return [`${error.message} ${String((error as { apiId?: unknown }).apiId ?? '')}`, ...(errors ?? []).map(textOf)].join(
    ' ',
  );
}
