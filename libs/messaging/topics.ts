import type { KafkaConfig } from '#libs/platform';
import type { TopicLayout } from './port.js';

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

const forever = { 'cleanup.policy': 'delete', 'retention.ms': '-1', 'retention.bytes': '-1' };
const ninetyDays = { 'cleanup.policy': 'delete', 'retention.ms': String(90 * DAY_MS) };

/** The topics that together carry the whole log; a reader of ours may begin at its first event. */
export function logLayout({ partitions, replication }: KafkaConfig, services: readonly string[]): TopicLayout[] {
  return services.map((service) => ({ topic: serviceTopic(service), partitions, ...kept(replication, forever) }));
}

/** All topics of an installation. An organisation finds on its own what came within 90 days. */
export function layoutOf(
  kafka: KafkaConfig,
  services: readonly string[],
  organisationTopics: readonly string[],
): readonly TopicLayout[] {
  const { partitions, replication } = kafka;
  return [
    ...logLayout(kafka, services),
    { topic: DEAD_LETTERS, partitions: 1, ...kept(replication, forever) },
    ...organisationTopics.map((topic) => ({ topic, partitions, ...kept(replication, ninetyDays) })),
  ];
}

/** With three replicas a message is acknowledged only when two have it, so that one may be lost. */
function kept(replicas: number, retention: Readonly<Record<string, string>>) {
  return { replicas, configs: { ...retention, 'min.insync.replicas': String(Math.max(1, replicas - 1)) } };
}
