import { z } from 'zod';
import type { EventCatalogue, EventMetadata } from '#libs/kernel';
import { schemaId } from './cloud-event.js';

const actor = z
  .looseObject({
    kind: z.enum(['person', 'client', 'system']),
    id: z
      .string()
      .describe(
        'pseudonymous id; the nil UUID on the topic of a department stands for a person of another organisation',
      ),
    organisationId: z.string().optional().describe('on whose behalf; absent for the hub itself'),
    role: z.string().optional().describe('role that allowed the act'),
  })
  .describe('who caused the event 行为人');

/** What every event carries besides its data. Members may be added without a new version: readers pass them over. */
const metadata = z
  .looseObject({
    actor,
    occurredAt: z.iso.datetime().describe('moment of the act, ISO 8601 UTC 行为时间'),
    rules: z.array(z.string()).describe('rules of the regulation that the event rests on 依据条款'),
    correlationId: z.string().describe('the same for all events of one request'),
    causationId: z.string().optional().describe('id of the event that caused this one'),
    traceparent: z.string().optional().describe('W3C Trace Context'),
    commandId: z.string().optional().describe('keyed digest, for the hub itself'),
    fingerprint: z.string().optional().describe('keyed digest, for the hub itself'),
    refusal: z.string().optional().describe('code of the refusal, on a refused attempt 拒绝代码'),
  })
  .describe('what every event carries 事件元数据') satisfies z.ZodType<EventMetadata | object>;

type Target = 'draft-2020-12' | 'draft-07';

/** A JSON Schema as plain JSON. */
export type JsonSchema = Record<string, unknown>;

/** Schema of the metadata of every event. */
export function metadataSchema(target: Target): JsonSchema {
  return plain(metadata, target);
}

/** Schema of the data of an event type's current version; says of personal fields that they are commitments. */
export function dataSchema(catalogue: EventCatalogue, type: string, target: Target): JsonSchema {
  const { data, personal = [] } = catalogue.get(type);
  const schema = plain(data, target);
  for (const path of personal) {
    const field = path.split('.').reduce<JsonSchema>((at, name) => propertiesOf(at)[name] as JsonSchema, schema);
    field.description = 'keyed commitment to personal data; the clear text never leaves the hub 个人信息的带密钥承诺值';
  }
  return schema;
}

/**
 * JSON Schema (draft 2020-12) of the value of a message: an event of the current version of its type, with its
 * metadata. Its `$id` is the message's `ce_dataschema`.
 */
export function valueSchema(catalogue: EventCatalogue, type: string): JsonSchema {
  const { category, version, meaning } = catalogue.get(type);
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: schemaId(category, type, version),
    title: `${type} v${version}`,
    description: `${meaning[0]}. ${meaning[1]}。`,
    type: 'object',
    properties: { data: dataSchema(catalogue, type, 'draft-2020-12'), metadata: metadataSchema('draft-2020-12') },
    required: ['data', 'metadata'],
    additionalProperties: false,
  };
}

function propertiesOf(schema: JsonSchema): JsonSchema {
  return schema.properties as JsonSchema;
}

function plain(schema: z.ZodType, target: Target): JsonSchema {
  const { $schema, '~standard': _, ...rest } = z.toJSONSchema(schema, { target, unrepresentable: 'any' }) as JsonSchema;
  return rest;
}
