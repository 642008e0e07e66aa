export {
  type CloudEventOptions,
  ceType,
  DamagedMessageError,
  fromCloudEvent,
  type KafkaMessage,
  toCloudEvent,
} from './cloud-event.js';
export { KafkaFaultError } from './connection.js';
export { KafkaFeed, type KafkaFeedOptions } from './kafka-feed.js';
export { Relay, type RelayOptions, type RelayStatus } from './relay.js';
export {
  bureauTopic,
  DEAD_LETTERS,
  departmentTopic,
  ensureTopics,
  layoutOf,
  serviceTopic,
  type TopicLayout,
} from './topics.js';
