export { canonicalJson } from './canonical-json.js';
export { EventCatalogue } from './catalogue.js';
export { Clock, ManualClock, SystemClock } from './clock.js';
export type { CommandContext, DomainCommand, RequestContext, StreamDefinition } from './command.js';
export { assertNever, type Decider, fold } from './decider.js';
export {
  type Actor,
  categoryOf,
  type DomainEvent,
  defineEvents,
  type EventDeclaration,
  type EventMetadata,
  type EventOf,
  entityOf,
  type StreamEvents,
  streamName,
} from './events.js';
export { idFromDigest, isId, newId } from './ids.js';
export {
  ORGANISATION_KINDS,
  ORGANISATION_LEVELS,
  type OrganisationKind,
  type OrganisationLevel,
  POWERS,
  type Power,
  type Principal,
  type PrincipalOrganisation,
  ROLES,
  type Role,
} from './principal.js';
export { defineRefusals, Refusal, type RefusalDeclaration, type RefusalKind, type Refusals } from './refusal.js';
export type { RuleId } from './rules.js';
