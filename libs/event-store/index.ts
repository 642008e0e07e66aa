export { type Alongside, type CommandOutcome, commandRefusals, newEvent, runCommand } from './command-runner.js';
export {
  type Appended,
  BATCH_EVENTS_MAX,
  type CaughtUp,
  ConflictError,
  DuplicateIdError,
  EVENT_BYTES_MAX,
  type EventFilter,
  EventStore,
  type EventToAppend,
  type ExpectedRevision,
  LimitError,
  type ReadStreamOptions,
  type RecordedEvent,
  type StreamAppend,
  type StreamAppended,
} from './port.js';
export type { Projection } from './projection.js';
export { ReadModel, type ReadModelDefinition, type ReadModelOptions } from './read-model.js';
export { type ParkedEvent, type RunningSubscription, type Subscription, Subscriptions } from './subscription.js';
