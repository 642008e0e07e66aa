import type { AllStreamJSONRecordedEvent, AllStreamResolvedEvent, ResolvedEvent } from '@kurrent/kurrentdb-client';
import type { EventMetadata } from '#libs/kernel';
import type { WrittenEvent } from '../checked-append.js';
import type { RecordedEvent } from '../port.js';

/**
 * Metadata as KurrentDB's own tools read it: `$correlationId` and `$causationId` under their names, the rest as one
 * JSON text. All values are texts: a multi-stream append takes no others.
 */
export function propertiesOf({ version, metadata }: WrittenEvent): Record<string, string> {
  const { correlationId, causationId, ...rest } = JSON.parse(metadata) as EventMetadata;
  return {
    $correlationId: correlationId,
    ...(causationId === undefined ? {} : { $causationId: causationId }),
    version: String(version),
    mingjing: JSON.stringify(rest),
  };
}

/** Thrown for an event that this program has not written: streams of ours are ours alone. */
class ForeignEventError extends Error {
  override readonly name = 'ForeignEventError';
}

/** @throws ForeignEventError naming stream and revision of an event that is not of our making */
export function recorded({ event }: ResolvedEvent | AllStreamResolvedEvent): RecordedEvent {
  if (event === undefined) throw new ForeignEventError('a link leads nowhere');
  const { streamId, revision, id, type, data, created, isJson } = event as AllStreamJSONRecordedEvent;
  const properties = event.metadata as Readonly<Record<string, unknown>> | undefined;
  const { $correlationId, $causationId, version, mingjing } = properties ?? {};
  if (!isJson || typeof mingjing !== 'string' || typeof version !== 'string' || typeof $correlationId !== 'string') {
    throw new ForeignEventError(`the event at ${streamId}/${revision} was not written by this hub`);
  }
  const { position } = event as AllStreamJSONRecordedEvent;
  return {
    id,
    stream: streamId,
    type,
    version: Number(version),
    revision,
    position: position.commit,
    recordedAt: created.toISOString(),
    data,
    metadata: {
      ...(JSON.parse(mingjing) as Omit<EventMetadata, 'correlationId'>),
      correlationId: $correlationId,
      ...(typeof $causationId === 'string' ? { causationId: $causationId } : {}),
    },
  };
}
