import { Admin, ConfigResourceTypes } from '@platformatic/kafka';
import type { KafkaConfig } from '#libs/platform';
import { connectionOf, faultOf, KafkaFaultError } from './connection.js';

/** Topic with the events of one service. */
export function serviceTopic(service: string): string {
  return `mingjing.${service}.v1`;
}

/** Topic with what concerns one department. */
export function departmentTopic(organisationId: string): string {
  return `mingjing.department.${organisationId}.v1`;
}

/** Topic with everything in the jurisdiction of one bureau. */
export function bureauTopic(organisationId: string): string {
  return `mingjing.bureau.${organisationId}.v1`;
}

/** Topic with the messages that one of our consumers could not digest. */
export const DEAD_LETTERS = 'mingjing.dead-letters.v1';

const DAY_MS = 86_400_000;

/** How a topic must be laid out. Never compacted: an event is a fact, and the newest does not make the others untrue. */
export interface TopicLayout {
  readonly topic: string;
  readonly partitions: number;
  readonly replicas: number;
  readonly configs: Readonly<Record<string, string>>;
}

const forever = { 'cleanup.policy': 'delete', 'retention.ms': '-1', 'retention.bytes': '-1' };
const ninetyDays = { 'cleanup.policy': 'delete', 'retention.ms': String(90 * DAY_MS) };

/** The topics of an installation. A reader of ours may begin at the first event, a department within 90 days. */
export function layoutOf(
  { partitions, replication: replicas }: KafkaConfig,
  services: readonly string[],
  organisationTopics: readonly string[],
): readonly TopicLayout[] {
  return [
    ...services.map((service) => ({ topic: serviceTopic(service), partitions, replicas, configs: forever })),
    { topic: DEAD_LETTERS, partitions: 1, replicas, configs: forever },
    ...organisationTopics.map((topic) => ({ topic, partitions, replicas, configs: ninetyDays })),
  ];
}

/**
 * Creates the topics that are missing and checks the others; changes none.
 * @throws KafkaFaultError in one sentence when a topic is laid out in another way
 */
export async function ensureTopics(config: KafkaConfig, layouts: readonly TopicLayout[]): Promise<void> {
  const admin = new Admin(connectionOf(config, 'mingjing-topics'));
  try {
    const there = new Set(await admin.listTopics());
    for (const layout of layouts) {
      if (there.has(layout.topic)) await check(admin, layout);
      else await create(admin, layout);
    }
  } catch (error) {
    throw faultOf(error) ?? error;
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
