import type { RecordedEvent } from '#libs/event-store';
import { categoryOf, type EventMetadata, isId } from '#libs/kernel';

/** A message as Kafka carries it. */
export interface KafkaMessage {
  readonly key: string;
  readonly value: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

/** What stands in a message. */
export interface Received {
  readonly event: RecordedEvent;
  /** Position of the event before it in the whole log; 0 for the first. */
  readonly previous: bigint;
}

export interface CloudEventOptions {
  /** Who publishes: `urn:mingjing:hub:<name>`. */
  readonly source: string;
}

/** A message that is not what its headers say; the message of the error says what is wrong with it. */
export class DamagedMessageError extends Error {
  override readonly name = 'DamagedMessageError';
}

/** Type of an event in the outside world: reverse domain, category, type and version. */
export function ceType(category: string, type: string, version: number): string {
  return `cn.mingjing.${category}.${type}.v${version}`;
}

/** Name of the JSON Schema of a message's value; the file is in docs/events/schemas. */
export function schemaId(category: string, type: string, version: number): string {
  return `urn:mingjing:schema:${category}.${type}.v${version}`;
}

/** Digits of the largest position (64 bits, signed). */
const POSITION_DIGITS = 19;

/**
 * An event as a CloudEvent 1.0.2 in the binary mode of the Kafka binding: attributes as `ce_` headers, data as JSON.
 * Extension attributes: `partitionkey`; `sequence`, the position in the whole log, padded with zeros because the
 * sequence extension wants texts that sort as they count; `previous`, the position of the event before it; `revision`,
 * the place in its stream.
 */
export function toCloudEvent(event: RecordedEvent, previous: bigint, { source }: CloudEventOptions): KafkaMessage {
  const { id, stream, type, version, revision, position, recordedAt, data, metadata } = event;
  const category = categoryOf(stream);
  return {
    key: stream,
    value: Buffer.from(JSON.stringify({ data, metadata })),
    headers: {
      ce_specversion: '1.0',
      ce_id: id,
      ce_source: source,
      ce_type: ceType(category, type, version),
      ce_subject: stream,
      ce_time: recordedAt,
      ce_dataschema: schemaId(category, type, version),
      ce_partitionkey: stream,
      ce_sequence: String(position).padStart(POSITION_DIGITS, '0'),
      ce_previous: String(previous).padStart(POSITION_DIGITS, '0'),
      ce_revision: String(revision),
      'content-type': 'application/json',
      ...(metadata.traceparent === undefined ? {} : { traceparent: metadata.traceparent }),
    },
  };
}

const TYPE = /^cn\.mingjing\.([a-z][A-Za-z0-9]*)\.([A-Z][A-Za-z0-9]*)\.v([1-9]\d{0,3})$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/;
const NUMBER = /^\d{1,19}$/;

/** Reads a message back; reads nothing into what is not there. @throws DamagedMessageError naming what is wrong */
export function fromCloudEvent({ key, value, headers }: KafkaMessage): Received {
  const header = (name: string, fits: (text: string) => boolean = () => true): string => {
    const text = headers[name];
    if (text === undefined) throw new DamagedMessageError(`it has no header ${name}`);
    if (!fits(text)) throw new DamagedMessageError(`its header ${name} is malformed`);
    return text;
  };
  const number = (name: string) => BigInt(header(name, (text) => NUMBER.test(text)));

  if (header('ce_specversion') !== '1.0') throw new DamagedMessageError('it is no CloudEvent 1.0');
  header('content-type', (text) => text === 'application/json');
  const stream = header('ce_subject');
  if (key !== stream) throw new DamagedMessageError('its key is not its stream');
  const [, category, type, version] = TYPE.exec(header('ce_type')) ?? [];
  if (category === undefined || type === undefined) throw new DamagedMessageError('its header ce_type is malformed');
  if (category !== categoryOf(stream)) throw new DamagedMessageError('its type does not belong on its stream');
  const position = number('ce_sequence');
  const previous = number('ce_previous');
  if (previous >= position) throw new DamagedMessageError('it names an event before it that is not before it');
  const event = {
    id: header('ce_id', isId),
    stream,
    type,
    version: Number(version),
    revision: number('ce_revision'),
    position,
    recordedAt: header('ce_time', (text) => TIME.test(text) && !Number.isNaN(Date.parse(text))),
    ...bodyOf(value),
  };
  return { event, previous };
}

/** Bytes that are not UTF-8 are damage, not question marks. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function bodyOf(value: Buffer): Pick<RecordedEvent, 'data' | 'metadata'> {
  let body: unknown;
  try {
    body = JSON.parse(utf8.decode(value));
  } catch {
    throw new DamagedMessageError('its value is no JSON');
  }
  if (!isObject(body) || !isObject(body.data)) throw new DamagedMessageError('its value has no data');
  if (!isMetadata(body.metadata)) throw new DamagedMessageError('its value has no metadata');
  return { data: body.data, metadata: body.metadata };
}

function isMetadata(value: unknown): value is EventMetadata {
  if (!isObject(value) || !isObject(value.actor)) return false;
  const { actor, occurredAt, rules, correlationId } = value;
  const texts = [actor.kind, actor.id, occurredAt, correlationId];
  return texts.every((text) => typeof text === 'string') && Array.isArray(rules);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
