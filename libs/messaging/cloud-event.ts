import type { RecordedEvent } from '#libs/event-store';
import { categoryOf } from '#libs/kernel';

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

/** A message that is not what its headers say. */
export class DamagedMessageError extends Error {
  override readonly name = 'DamagedMessageError';
}

/** Type of an event in the outside world: reverse domain, category, type and version. */
export function ceType(stream: string, type: string, version: number): string {
  return `cn.mingjing.${categoryOf(stream)}.${type}.v${version}`;
}

/**
 * An event as a CloudEvent 1.0.2 in the binary mode of the Kafka binding: attributes as `ce_` headers, data as JSON.
 * Extension attributes: `partitionkey`, `sequence` (position in the whole log), `previous` (position of the event
 * before it), `revision` (place in its stream).
 */
export function toCloudEvent(event: RecordedEvent, previous: bigint, { source }: CloudEventOptions): KafkaMessage {
  const { id, stream, type, version, revision, position, recordedAt, data, metadata } = event;
  const { traceparent } = metadata as { traceparent?: string };
  return {
    key: stream,
    value: Buffer.from(JSON.stringify({ data, metadata })),
    headers: {
      ce_specversion: '1.0',
      ce_id: id,
      ce_source: source,
      ce_type: ceType(stream, type, version),
      ce_subject: stream,
      ce_time: recordedAt,
      ce_dataschema: `urn:mingjing:schema:${categoryOf(stream)}.${type}.v${version}`,
      ce_partitionkey: stream,
      ce_sequence: String(position),
      ce_previous: String(previous),
      ce_revision: String(revision),
      'content-type': 'application/json',
      ...(traceparent === undefined ? {} : { traceparent }),
    },
  };
}

const TYPE = /^cn\.mingjing\.([a-z][A-Za-z0-9]*)\.([A-Z][A-Za-z0-9]*)\.v(\d{1,4})$/;

/** Reads a message back. @throws DamagedMessageError naming what is wrong with it */
export function fromCloudEvent({ key, value, headers }: KafkaMessage): Received {
  const header = (name: string): string => {
    const text = headers[name];
    if (text === undefined) throw new DamagedMessageError(`it has no header ${name}`);
    return text;
  };
  const number = (name: string): bigint => {
    const text = header(name);
    if (!/^\d{1,19}$/.test(text)) throw new DamagedMessageError(`header ${name} is no number`);
    return BigInt(text);
  };
  if (header('ce_specversion') !== '1.0') throw new DamagedMessageError('it is no CloudEvent 1.0');
  const stream = header('ce_subject');
  if (key !== stream) throw new DamagedMessageError('its key is not its stream');
  const [, category, type, version] = TYPE.exec(header('ce_type')) ?? [];
  if (type === undefined || category !== categoryOf(stream)) throw new DamagedMessageError('its type is malformed');
  const { data, metadata } = bodyOf(value);
  const event = {
    id: header('ce_id'),
    stream,
    type,
    version: Number(version),
    revision: number('ce_revision'),
    position: number('ce_sequence'),
    recordedAt: header('ce_time'),
    data,
    metadata,
  };
  return { event, previous: number('ce_previous') };
}

function bodyOf(value: Buffer): { data: unknown; metadata: RecordedEvent['metadata'] } {
  let body: unknown;
  try {
    body = JSON.parse(value.toString('utf8'));
  } catch {
    throw new DamagedMessageError('its value is no JSON');
  }
  if (typeof body !== 'object' || body === null || !('data' in body) || !('metadata' in body)) {
    throw new DamagedMessageError('its value has no data and metadata');
  }
  return body as { data: unknown; metadata: RecordedEvent['metadata'] };
}
