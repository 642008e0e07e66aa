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

/** The topics of an installation. A reader of ours may begin at the first event, a department within 90 days. */
export function layoutOf(
  { partitions, replication: replicas }: KafkaConfig,
  services: readonly string[],
  organisationTopics: readonly string[],
): readonly TopicLayout[] {
  // With three replicas or more a message is acknowledged only when all but one have it, so that one may be lost.
  const inSync = { 'min.insync.replicas': String(Math.max(1, replicas - 1)) };
  const keep = { ...forever, ...inSync };
  return [
    ...services.map((service) => ({ topic: serviceTopic(service), partitions, replicas, configs: keep })),
    { topic: DEAD_LETTERS, partitions: 1, replicas, configs: keep },
    ...organisationTopics.map((topic) => ({ topic, partitions, replicas, configs: { ...ninetyDays, ...inSync } })),
  ];
}
