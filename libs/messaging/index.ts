export {
  type CloudEventOptions,
  ceType,
  DamagedMessageError,
  fromCloudEvent,
  type KafkaMessage,
  schemaId,
  toCloudEvent,
} from './cloud-event.js';
export { CONCERNS } from './concerns.js';
export { KafkaFaultError } from './connection.js';
export { KafkaFeed, type KafkaFeedOptions } from './kafka-feed.js';
export { type Publication, Relay, type RelayOptions, type RelayStatus } from './relay.js';
export { RelayModule, topicsOf } from './relay.module.js';
export { type Recipient, type RoutesOptions, recipientsOf, routes, SOMEBODY } from './routes.js';
export {
  bureauTopic,
  DEAD_LETTERS,
  departmentTopic,
  ensureTopics,
  layoutOf,
  serviceTopic,
  type TopicLayout,
} from './topics.js';
