import { types } from 'node:util';
import type { BaseOptions } from '@platformatic/kafka';
import { type KafkaConfig, readNamedFile } from '#libs/platform';
import { KafkaFaultError } from './port.js';

const REQUEST_MS_MAX = 10_000;
const CONNECT_MS_MAX = 5_000;
const RETRIES = 3;
const RETRY_MS = 100;

/**
 * How the Kafka client connects: TLS and SASL as configured.
 * @throws Refusal `platform.bad-configuration` when a certificate file cannot be read
 */
export function connectionOf({ brokers, tls, sasl }: KafkaConfig, clientId: string): BaseOptions {
  return {
    clientId,
    bootstrapBrokers: [...brokers],
    timeout: REQUEST_MS_MAX,
    connectTimeout: CONNECT_MS_MAX,
    retries: RETRIES,
    retryDelay: RETRY_MS,
    ...(tls === undefined
      ? {}
      : {
          tls: {
            ca: [readNamedFile('KAFKA_CA_FILE', tls.caFile)],
            ...(tls.certFile === undefined || tls.keyFile === undefined
              ? {}
              : {
                  cert: readNamedFile('KAFKA_CERT_FILE', tls.certFile),
                  key: readNamedFile('KAFKA_KEY_FILE', tls.keyFile),
                }),
          },
          tlsServerName: true,
        }),
    ...(sasl === undefined
      ? {}
      : {
          sasl: {
            mechanism: sasl.mechanism.toUpperCase() as 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512',
            username: sasl.username,
            password: sasl.password,
          },
        }),
  };
}

const SENTENCES: readonly (readonly [pattern: RegExp, sentence: string])[] = [
  [/AUTHENTICATION|SASL/i, 'Kafka refuses these credentials: see MINGJING_KAFKA_USERNAME and MINGJING_KAFKA_PASSWORD.'],
  [/UNSUPPORTED_API|UNSUPPORTED_VERSION/, 'this Kafka is of a version that is not supported: it must be 3.0 or newer.'],
  [/CERT_HAS_EXPIRED/, 'the certificate of the Kafka broker has expired.'],
  [
    /SELF_SIGNED|UNABLE_TO_|ERR_TLS|ERR_SSL|DEPTH_ZERO|CERT_(?!HAS_EXPIRED)/,
    'the TLS of Kafka and of MINGJING_KAFKA_CA_FILE do not fit.',
  ],
  [
    /TOPIC_AUTHORIZATION|CLUSTER_AUTHORIZATION|GROUP_AUTHORIZATION/,
    'this user may not do that in Kafka: see its ACLs.',
  ],
  [/INVALID_REPLICATION_FACTOR/, 'Kafka has fewer brokers than the replicas that MINGJING_KAFKA_REPLICATION wants.'],
  [/TOO_LARGE/, 'a topic takes smaller messages than an event may be: its max.message.bytes must be 1 MiB or more.'],
  [/UNKNOWN_TOPIC/, 'a topic of ours does not exist in Kafka any more.'],
];

/** What is behind an error of the client: a fault that somebody must mend, or `undefined` for one that passes. */
export function faultOf(error: unknown): KafkaFaultError | undefined {
  if (error instanceof KafkaFaultError) return error;
  const said = [...wordsOf(error)].join(' ');
  const found = SENTENCES.find(([pattern]) => pattern.test(said));
  return found === undefined ? undefined : new KafkaFaultError(found[1], { cause: error });
}

/** Errors looked at within one: the client nests those of its attempts, attempts within attempts. */
const ERRORS_MAX = 500;

/** Codes and messages of an error, its causes and its parts. */
function* wordsOf(error: unknown): Generator<string> {
  const errors = [error];
  for (let i = 0; i < Math.min(errors.length, ERRORS_MAX); i += 1) {
    const each = errors[i];
    if (!types.isNativeError(each)) continue;
    const { code, apiId, cause, errors: parts } = each as Error & Partial<Record<'code' | 'apiId' | 'errors', unknown>>;
    yield `${String(code ?? '')} ${String(apiId ?? '')} ${each.message}`;
    errors.push(cause, ...(Array.isArray(parts) ? parts : []));
  }
}
