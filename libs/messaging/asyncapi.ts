import type { EventCatalogue } from '#libs/kernel';
import type { KafkaConfig } from '#libs/platform';
import { ceType, schemaId } from './cloud-event.js';
import { CONCERNS } from './concerns.js';
import type { TopicLayout } from './port.js';
import { dataSchema, type JsonSchema, metadataSchema } from './schemas.js';
import { bureauTopic, DEAD_LETTERS, departmentTopic, layoutOf, serviceTopic } from './topics.js';

const text = (description: string, more: object = {}): JsonSchema => ({ type: 'string', description, ...more });
const position = { pattern: '^[0-9]{19}$' };

/** Headers of every message: CloudEvents 1.0.2, binary mode of the Kafka binding. */
const HEADERS = {
  ce_specversion: text('version of CloudEvents', { const: '1.0' }),
  ce_id: text('id of the event; the same whenever and wherever it is delivered', { format: 'uuid' }),
  ce_source: text('the hub that publishes', { format: 'uri-reference' }),
  ce_type: text('cn.mingjing.<category>.<type>.v<version>'),
  ce_subject: text('stream of the event, `<category>-<id>`'),
  ce_time: text('when the hub recorded it, ISO 8601 UTC', { format: 'date-time' }),
  ce_dataschema: text('$id of the JSON Schema of the value; the file is in docs/events/schemas', { format: 'uri' }),
  ce_partitionkey: text('the stream, as the key of the message'),
  ce_sequence: text('position in the whole log, 19 digits: sorts as it counts', position),
  ce_previous: text('position of the event before it in the whole log, of whatever topic', position),
  ce_revision: text('place in its stream, from 0, without gaps in the log', { pattern: '^[0-9]{1,19}$' }),
  'content-type': text('of the value', { const: 'application/json' }),
  traceparent: text('trace that the event belongs to (W3C Trace Context)'),
};

/** What a channel has to say, and the messages that it carries. */
interface Channel {
  readonly name: string;
  readonly address: string;
  readonly title: string;
  readonly description: string;
  /** Names of messages. */
  readonly messages: readonly string[];
  readonly parameters?: object;
}

/**
 * AsyncAPI 3.0 document of what the hub sends to Kafka.
 * @param version of the product
 * @param defaults of an installation that sets nothing: partitions, replicas
 */
export function asyncApiDocument(
  catalogue: EventCatalogue,
  version: string,
  defaults: Pick<KafkaConfig, 'partitions' | 'replication'>,
): object {
  const channels = channelsOf(catalogue);
  const services = [...new Set(catalogue.streams.map(({ service }) => service))];
  const others = channels.filter(({ parameters }) => parameters !== undefined).map(({ address }) => address);
  const config = { ...defaults, brokers: [], tls: undefined, sasl: undefined, departments: [] };
  const layouts = new Map(layoutOf(config, services, others).map((layout) => [layout.topic, layout]));
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Mingjing 明镜: events',
      version,
      description:
        'Every event of the hub on Kafka, at least once, in order within a stream (the key). See docs/feeds.md.\n' +
        '枢纽的全部事件通过 Kafka 发布：至少一次送达，同一事件流（消息键）内有序。详见 docs/feeds.md。',
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    defaultContentType: 'application/json',
    servers: { hub: SERVER },
    channels: Object.fromEntries(
      channels.map(({ name, address, title, description, messages, parameters }) => [
        name,
        {
          address,
          title,
          description,
          ...(parameters === undefined ? {} : { parameters }),
          servers: [{ $ref: '#/servers/hub' }],
          messages: Object.fromEntries(messages.map((id) => [id, { $ref: `#/components/messages/${id}` }])),
          bindings: { kafka: kafkaBinding(layouts.get(address)!) },
        },
      ]),
    ),
    operations: Object.fromEntries(
      channels.map(({ name, title }) => [
        `publish-${name}`,
        { action: 'send', title, channel: { $ref: `#/channels/${name}` } },
      ]),
    ),
    components: {
      messages: {
        ...Object.fromEntries(
          [...catalogue.entries()].map(([type, { version }]) => [messageId(type, version), messageOf(catalogue, type)]),
        ),
        deadLetter: DEAD_LETTER,
      },
      messageTraits: { cloudEvent: TRAIT },
      schemas: { metadata: metadataSchema('draft-07') },
      securitySchemes: SECURITY,
    },
  };
}

const SERVER = {
  host: '{host}:{port}',
  protocol: 'kafka-secure',
  protocolVersion: '3.0',
  title: 'Kafka of the hub',
  description: 'TLS always; the hub’s administrator names host, port, certificate authority and how to sign in.',
  variables: {
    host: { default: 'kafka.mingjing.example', description: 'a broker of the installation' },
    port: { default: '9093' },
  },
  security: ['scramSha512', 'scramSha256', 'plain', 'clientCertificate'].map((name) => ({
    $ref: `#/components/securitySchemes/${name}`,
  })),
};

const SECURITY = {
  scramSha512: { type: 'scramSha512', description: 'SASL SCRAM-SHA-512 over TLS' },
  scramSha256: { type: 'scramSha256', description: 'SASL SCRAM-SHA-256 over TLS' },
  plain: { type: 'plain', description: 'SASL PLAIN over TLS' },
  clientCertificate: { type: 'X509', description: 'mutual TLS' },
};

const TRAIT = {
  name: 'CloudEvent',
  description: 'CloudEvents 1.0.2 in the binary mode of the Kafka binding',
  contentType: 'application/json',
  headers: {
    type: 'object',
    required: Object.keys(HEADERS).filter((name) => name !== 'traceparent'),
    properties: HEADERS,
  },
  bindings: { kafka: { key: text('the stream: its events keep their order'), bindingVersion: '0.5.0' } },
};

const DEAD_LETTER = {
  name: 'DeadLetter',
  title: 'An event that a subscription could not digest',
  summary: 'The event as on its own topic, with what became of it. 无法处理的事件及原因',
  contentType: 'application/json',
  headers: {
    type: 'object',
    required: ['subscription', 'error', 'attempts', 'ce_id', 'ce_type', 'ce_subject', 'ce_sequence'],
    properties: {
      ...HEADERS,
      subscription: text('who could not digest it'),
      error: text('why'),
      attempts: text('how often it was tried', { pattern: '^[0-9]+$' }),
    },
  },
  payload: {
    type: 'object',
    properties: { data: { type: 'object' }, metadata: { $ref: '#/components/schemas/metadata' } },
    required: ['data', 'metadata'],
  },
  bindings: { kafka: { key: text('the stream'), bindingVersion: '0.5.0' } },
};

function messageId(type: string, version: number): string {
  return `${type}.v${version}`;
}

function kafkaBinding({ partitions, replicas, configs }: TopicLayout): object {
  const { 'cleanup.policy': cleanup, ...numbers } = configs;
  return {
    partitions,
    replicas,
    topicConfiguration: {
      'cleanup.policy': cleanup?.split(','),
      ...Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, Number(value)])),
    },
    bindingVersion: '0.5.0',
  };
}

function messageOf(catalogue: EventCatalogue, type: string): object {
  const { category, version, meaning, rules, service } = catalogue.get(type);
  return {
    name: ceType(category, type, version),
    title: `${type} v${version}`,
    summary: `${meaning[0]} ${meaning[1]}`,
    ...(rules.length === 0 ? {} : { description: `Rests on ${rules.join(', ')}.` }),
    tags: [{ name: service }, { name: category }],
    traits: [{ $ref: '#/components/messageTraits/cloudEvent' }],
    headers: {
      type: 'object',
      properties: {
        ce_type: { const: ceType(category, type, version) },
        ce_dataschema: { const: schemaId(category, type, version) },
      },
    },
    payload: {
      type: 'object',
      properties: {
        data: dataSchema(catalogue, type, 'draft-07'),
        metadata: { $ref: '#/components/schemas/metadata' },
      },
      required: ['data', 'metadata'],
      additionalProperties: false,
    },
  };
}

function channelsOf(catalogue: EventCatalogue): readonly Channel[] {
  const all = [...catalogue.entries()];
  const ids = (of: typeof all) => of.map(([type, { version }]) => messageId(type, version));
  const services = [...new Set(all.map(([, { service }]) => service))].sort();
  const concerning = all.filter(([type, { category }]) => {
    const concern = CONCERNS[category];
    return concern !== undefined && concern.whom !== 'nobody' && !concern.except?.includes(type);
  });
  const organisation = (whose: string) => ({ organisationId: { description: `id of the ${whose}` } });
  return [
    ...services.map((service) => ({
      name: service,
      address: serviceTopic(service),
      title: `Events of the ${service} service`,
      description: 'For the services of the hub itself and those who may read everything.',
      messages: ids(all.filter(([, declared]) => declared.service === service)),
    })),
    {
      name: 'department',
      address: departmentTopic('{organisationId}'),
      title: 'What concerns one department 涉及某一单位的事件',
      description: 'Only what concerns it; persons of other organisations are the nil UUID. No one else may read it.',
      messages: ids(concerning),
      parameters: organisation('department'),
    },
    {
      name: 'bureau',
      address: bureauTopic('{organisationId}'),
      title: 'Everything in the jurisdiction of one public security organ 公安机关辖区内的全部事件',
      description: 'Every event that concerns a division of its jurisdiction (Art. 4.2).',
      messages: ids(all),
      parameters: organisation('public security organ'),
    },
    {
      name: 'deadLetters',
      address: DEAD_LETTERS,
      title: 'Dead letters of the hub’s own subscriptions 死信',
      description: 'For watching, by the administrator; what is parked is replayed from the database.',
      messages: ['deadLetter'],
    },
  ];
}
