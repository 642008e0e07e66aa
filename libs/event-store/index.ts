export { inTodaysShape, withCatalogue } from './catalogue-event-store.js';
export { type Alongside, type CommandOutcome, commandRefusals, newEvent, runCommand } from './command-runner.js';
export { createKurrentUsers, type KurrentUserToMake, kurrentUrlOf } from './kurrentdb/service-users.js';
export { MemoryEventStore } from './memory.js';
export { MemorySubscriptions } from './memory-subscriptions.js';
export { type OpenedEventStore, openEventStore } from './open-event-store.js';
export {
  type Appended,
  BATCH_EVENTS_MAX,
  BusyError,
  type CaughtUp,
  ConflictError,
  DuplicateIdError,
  EVENT_BYTES_MAX,
  type EventFilter,
  EventStore,
  type EventToAppend,
  type ExpectedRevision,
  ForbiddenCategoryError,
  LimitError,
  OutcomeUnknownError,
  passes,
  type ReadStreamOptions,
  type RecordedEvent,
  type StreamAppend,
  type StreamAppended,
} from './port.js';
export { isPassing, PooledClient } from './postgres/connections.js';
export { type Leadership, leadershipOf } from './postgres/leadership.js';
export { migrateEventStore } from './postgres/migrations.js';
export type { StoreRole } from './postgres/permissions.js';
export { PostgresEventStore, type PostgresEventStoreOptions } from './postgres/postgres-event-store.js';
export {
  PostgresPositions,
  PostgresSubscriptions,
  type PostgresSubscriptionsOptions,
} from './postgres/postgres-subscriptions.js';
export { createServiceRoles, type ServiceRole } from './postgres/service-roles.js';
export type { Projection } from './projection.js';
export { ReadModel, type ReadModelDefinition, type ReadModelOptions } from './read-model.js';
export { type ParkedEvent, type RunningSubscription, type Subscription, Subscriptions } from './subscription.js';
export { type HeldPosition, type Positions, RETRY_DELAYS_MS, SubscriptionRunner } from './subscription-runner.js';
export { Turns } from './turns.js';
export { NotReachedError, Waiters } from './waiters.js';
