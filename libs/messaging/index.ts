export { asyncApiDocument } from './asyncapi.js';
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
export { feedFromKafka, type KafkaReader, subscriptionsFromKafka, topicsOf } from './from-config.js';
export { KafkaFeed, type KafkaFeedOptions } from './kafka-feed.js';
export { KafkaSubscriptions, type KafkaSubscriptionsOptions } from './kafka-subscriptions.js';
export { PlatformaticBroker } from './platformatic-broker.js';
export {
  type ConsumeOptions,
  type Consumption,
  type Incoming,
  KafkaFaultError,
  MessageBroker,
  type Outgoing,
  type Sender,
  type TopicLayout,
} from './port.js';
export { type Publication, Relay, type RelayOptions, type RelayStatus } from './relay.js';
export { RelayModule } from './relay.module.js';
export { type Recipient, type RoutesOptions, recipientsOf, routes, SOMEBODY } from './routes.js';
export { type JsonSchema, valueSchema } from './schemas.js';
export {
  bureauTopic,
  DEAD_LETTERS,
  departmentTopic,
  layoutOf,
  serviceTopic,
} from './topics.js';
