import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

/** A message as the Kafka client gives it. */
export interface Message {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly key: string;
  readonly value: Buffer;
  readonly headers: ReadonlyMap<string, string>;
}

/** An event of the hub. */
export interface HubEvent {
  readonly id: string;
  /** Such as `GrantIssued`. */
  readonly type: string;
  readonly version: number;
  /** `<category>-<id>`; the events of one stream come in their order. */
  readonly stream: string;
  readonly time: string;
  /** Position in the hub's log: grows from event to event within a partition. */
  readonly sequence: bigint;
  readonly data: Readonly<Record<string, unknown>>;
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** A message that cannot be used; the error's message says why. */
export class BadMessageError extends Error {
  override readonly name = 'BadMessageError';
}

const headersOf = z.object({
  ce_specversion: z.literal('1.0'),
  ce_id: z.guid(),
  ce_type: z.string().regex(/^cn\.mingjing\.[A-Za-z0-9]+\.[A-Za-z0-9]+\.v[0-9]+$/),
  ce_subject: z.string().min(1),
  ce_time: z.iso.datetime(),
  ce_dataschema: z.string().min(1),
  ce_sequence: z.string().regex(/^[0-9]{19}$/),
  'content-type': z.literal('application/json'),
});

/** JSON Schemas by their `$id`, which is what `ce_dataschema` says. */
export type Schemas = ReadonlyMap<string, z.ZodType>;

/** Reads every schema in a folder and the folders below it. */
export function readSchemas(folder: string): Schemas {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.json'));
  return new Map(
    files.map((file) => {
      const schema = JSON.parse(readFileSync(join(folder, file), 'utf8')) as { readonly $id: string };
      return [schema.$id, z.fromJSONSchema(schema)];
    }),
  );
}

/**
 * Checks headers and value of a message.
 * @throws BadMessageError when it is no CloudEvent of the hub, its schema is not known, or its value does not fit it
 */
export function readMessage({ key, value, headers }: Message, schemas: Schemas): HubEvent {
  const attributes = headersOf.safeParse(Object.fromEntries(headers));
  if (!attributes.success) throw new BadMessageError(`its headers are wrong: ${sentence(attributes.error)}`);
  const { ce_id, ce_type, ce_subject, ce_time, ce_dataschema, ce_sequence } = attributes.data;
  if (key !== ce_subject) throw new BadMessageError('its key is not its stream');
  const schema = schemas.get(ce_dataschema);
  if (schema === undefined) {
    throw new BadMessageError(`its schema ${ce_dataschema} is not known here: get the newer schemas, then replay`);
  }
  const body = schema.safeParse(json(value));
  if (!body.success) throw new BadMessageError(`its value does not fit ${ce_dataschema}: ${sentence(body.error)}`);
  const { data, metadata } = body.data as Pick<HubEvent, 'data' | 'metadata'>;
  const [, , , type, version] = ce_type.split('.') as [string, string, string, string, string];
  return {
    id: ce_id,
    type,
    version: Number(version.slice(1)),
    stream: ce_subject,
    time: ce_time,
    sequence: BigInt(ce_sequence),
    data,
    metadata,
  };
}

function json(value: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(value));
  } catch {
    throw new BadMessageError('its value is no JSON');
  }
}

function sentence({ issues }: z.ZodError): string {
  return issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ');
}
