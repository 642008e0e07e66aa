import {
  type CommandContext,
  type DomainCommand,
  type DomainEvent,
  defineRefusals,
  newId,
  Refusal,
  type StreamDefinition,
  type StreamEvents,
  streamName,
} from '#libs/kernel';
import { traceHeaders } from '#libs/tracing';
import {
  BusyError,
  ConflictError,
  type EventStore,
  type EventToAppend,
  type ExpectedRevision,
  LimitError,
  OutcomeUnknownError,
  type RecordedEvent,
  type StreamAppend,
} from './port.js';

export const commandRefusals = defineRefusals({
  'command.stale-revision': {
    kind: 'precondition',
    title: ['The entity has changed since it was read', '对象已变更，请重新读取'],
    rules: [],
  },
  'command.contended': {
    kind: 'conflict',
    title: ['Too many changes at the same moment', '并发修改过多，请稍后重试'],
    rules: [],
  },
  'command.idempotency-key-reused': {
    kind: 'rule',
    title: ['The Idempotency-Key belongs to another request', '幂等键已用于其他请求'],
    rules: [],
  },
  'command.outcome-unknown': {
    kind: 'unavailable',
    title: [
      'The record could not be confirmed; repeat with the same Idempotency-Key',
      '无法确认是否已记录，请用同一幂等键重试',
    ],
    rules: [],
  },
  'command.busy': {
    kind: 'unavailable',
    title: ['Too many records wait to be written; nothing was recorded', '等待写入的记录过多，本次未记录'],
    rules: [],
  },
  'command.too-large': {
    kind: 'too-large',
    title: ['The command is larger than the store takes', '请求内容超出存储上限'],
    rules: [],
  },
});

/** Events for a second stream, appended in the same transaction: a reservation, or the grant that an approval makes. */
export interface Alongside {
  readonly events: StreamEvents;
  readonly id: string;
  readonly expected: ExpectedRevision;
  readonly write: readonly DomainEvent[];
  /** The refusal that a conflict on this stream means to the caller. */
  readonly taken?: () => Refusal;
}

export interface CommandOutcome<State, Event> {
  readonly id: string;
  readonly state: State;
  readonly events: readonly Event[];
  /** Revision of the entity's stream after the command. */
  readonly revision: bigint;
  /** Position behind which a read model has seen the command's effect. */
  readonly position: bigint;
  /** True when the command had been carried out before under the same Idempotency-Key. */
  readonly repeated: boolean;
}

interface Loaded<State> {
  readonly state: State;
  readonly revision: bigint | undefined;
  readonly position: bigint;
  /** Events that this very command has left before. */
  readonly own: readonly RecordedEvent[];
}

const ATTEMPTS_MAX = 5;

/**
 * Reads a stream, decides, appends; again when another writer came between.
 *
 * @param alongside further streams of the same transaction, from the decided events
 * @throws Refusal of the decider, of `alongside`, or of this module; events of a refusal that records its attempt are
 *   appended before it is thrown
 */
export async function runCommand<State, Command extends DomainCommand, Event extends DomainEvent>(
  store: EventStore,
  definition: StreamDefinition<State, Command, Event>,
  id: string,
  command: Command,
  context: CommandContext,
  alongside: (events: readonly Event[], state: State) => readonly Alongside[] = () => [],
): Promise<CommandOutcome<State, Event>> {
  const { events: declared, decider } = definition;
  const stream = streamName(declared.category, id);
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt += 1) {
    const loaded = await load(store, definition, stream, context);
    const done = loaded.own.filter((event) => event.metadata.refusal === undefined);
    if (done.length > 0) {
      const last = done.at(-1)!;
      const events = done as unknown as readonly Event[];
      return { id, state: loaded.state, events, revision: last.revision, position: last.position, repeated: true };
    }
    if (context.ifMatch !== undefined && context.ifMatch !== loaded.revision) {
      throw commandRefusals['command.stale-revision'](`revision is ${loaded.revision ?? 'none'}`, {
        revision: String(loaded.revision ?? ''),
      });
    }
    try {
      const events = decider.decide(command, loaded.state);
      if (events.length === 0) {
        const { state, revision = -1n, position } = loaded;
        return { id, state, events, revision, position, repeated: false };
      }
      const state = events.reduce((s, event) => decider.evolve(s, event), loaded.state);
      const others = alongside(events, state);
      const expected = loaded.revision ?? 'no-stream';
      const appends = [toAppend(declared, stream, expected, events, context), ...others.map((o) => other(o, context))];
      const appended = await appendOr(store, appends, stream, others);
      if (appended === 'again') continue;
      const revision = appended.streams[0]!.revision;
      return { id, state, events, revision, position: appended.position, repeated: false };
    } catch (error) {
      if (!(error instanceof Refusal) || error.events.length === 0 || loaded.own.length > 0) throw error;
      const attemptEvents = toAppend(declared, stream, 'any', error.events, context, error.code);
      await appendOr(store, [attemptEvents], stream, []);
      throw error;
    }
  }
  throw commandRefusals['command.contended'](`gave up after ${ATTEMPTS_MAX} attempts on ${stream}`);
}

async function load<State, Command extends DomainCommand, Event extends DomainEvent>(
  store: EventStore,
  { decider }: StreamDefinition<State, Command, Event>,
  stream: string,
  { commandId, fingerprint }: CommandContext,
): Promise<Loaded<State>> {
  let state = decider.initialState();
  let revision: bigint | undefined;
  let position = 0n;
  const own: RecordedEvent[] = [];
  for await (const event of store.readStream(stream)) {
    state = decider.evolve(state, event as unknown as Event);
    revision = event.revision;
    position = event.position;
    if (commandId !== undefined && event.metadata.commandId === commandId) {
      if (event.metadata.fingerprint !== fingerprint) {
        throw commandRefusals['command.idempotency-key-reused']('same key, other content');
      }
      own.push(event);
    }
  }
  return { state, revision, position, own };
}

async function appendOr(
  store: EventStore,
  appends: readonly StreamAppend[],
  stream: string,
  others: readonly Alongside[],
) {
  try {
    return await store.append(appends);
  } catch (error) {
    if (error instanceof ConflictError) {
      const taken = others.find((o) => streamName(o.events.category, o.id) === error.stream)?.taken;
      if (error.stream !== stream && taken !== undefined) throw taken();
      return 'again';
    }
    if (error instanceof LimitError) throw commandRefusals['command.too-large'](error.message);
    if (error instanceof BusyError) throw commandRefusals['command.busy'](error.message);
    if (error instanceof OutcomeUnknownError) {
      throw commandRefusals['command.outcome-unknown']('the event store did not confirm the record');
    }
    throw error;
  }
}

function other({ events, id, expected, write }: Alongside, context: CommandContext): StreamAppend {
  return toAppend(events, streamName(events.category, id), expected, write, context);
}

function toAppend(
  declared: StreamEvents,
  stream: string,
  expected: ExpectedRevision,
  events: readonly DomainEvent[],
  context: CommandContext,
  refusal?: string,
): StreamAppend {
  return { stream, expected, events: events.map((event) => newEvent(declared, event, context, refusal)) };
}

/** Dresses a domain event for the store: id, schema version and metadata, with the trace under way. */
export function newEvent(
  declared: StreamEvents,
  event: DomainEvent,
  context: CommandContext,
  refusal?: string,
): EventToAppend {
  const declaration = declared.types[event.type];
  if (declaration === undefined) throw new Error(`event ${event.type} is not declared for ${declared.category}`);
  const { actor, at, correlationId, causationId, commandId, fingerprint } = context;
  return {
    id: newId(),
    type: event.type,
    version: declaration.version,
    data: event.data,
    metadata: {
      actor,
      occurredAt: at,
      rules: event.rules ?? declaration.rules,
      correlationId,
      ...(causationId === undefined ? {} : { causationId }),
      ...traceHeaders(),
      ...(commandId === undefined ? {} : { commandId }),
      ...(fingerprint === undefined ? {} : { fingerprint }),
      ...(refusal === undefined ? {} : { refusal }),
    },
  };
}
