import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { platformRefusals } from './platform.refusals.js';

const port = z.coerce.number().int().min(0).max(65_535);
const list = z
  .string()
  .transform((text) =>
    text
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== ''),
  )
  .pipe(z.array(z.string()));
const postgres = z.string().regex(/^postgres(ql)?:\/\//, 'is an address postgres://…');
const path = z
  .string()
  .min(1)
  .transform((p) => resolve(p));
const replicas = z
  .string()
  .transform((text) => text.split(',').map((url) => url.trim()))
  .pipe(z.array(z.url({ protocol: /^https$/ })).min(1))
  .optional();

/** Every setting; each is an environment variable `MINGJING_<NAME>`, unknown ones are refused. */
export const settings = z.strictObject({
  // All processes
  HOST: z.string().default('127.0.0.1').describe('address to listen on'),
  PORT: port.default(8080).describe('TCP port to listen on'),
  DATA: path.prefault('./data').describe('folder of everything this process keeps'),
  KEYS: path.optional().describe('folder of its keys; default `keys` in the data folder'),
  PUBLIC_URL: z.url().optional().describe('address by which the hub is reached; default http://HOST:PORT'),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  // Databases
  DATABASE_URL: postgres
    .optional()
    .describe('PostgreSQL of read models, positions and vault; without it the hub runs its own in the data folder'),
  DATABASE_OWNER_URL: postgres
    .optional()
    .describe('the same database as a role that may alter the event store; used for migrations only'),
  EVENT_STORE: z
    .string()
    .regex(/^(postgres(ql)?|kurrentdb|esdb)(\+discover)?:\/\//, 'is an address postgres://… or kurrentdb://…')
    .optional()
    .describe('where events are kept: postgres://… or kurrentdb://…; default DATABASE_URL'),
  // Video
  SOURCE_NETWORKS: list
    .default([])
    .describe('networks (CIDR, by comma) that video may come from besides the private ones'),
  SOURCE_FOLDER: path.optional().describe('folder whose files may be video sources'),
  // Kafka
  KAFKA_BROKERS: list.default([]).describe('brokers (host:port, by comma); without them nothing is streamed'),
  KAFKA_CA_FILE: path.optional().describe('certificate authority of the brokers (PEM); turns TLS on'),
  KAFKA_CERT_FILE: path.optional().describe('certificate of this client (PEM)'),
  KAFKA_KEY_FILE: path.optional().describe('private key of this client (PEM)'),
  KAFKA_SASL: z.enum(['plain', 'scram-sha-256', 'scram-sha-512']).optional().describe('SASL mechanism'),
  KAFKA_USERNAME: z.string().optional(),
  KAFKA_PASSWORD: z.string().optional(),
  KAFKA_PARTITIONS: z.coerce.number().int().min(1).max(1_000).default(6).describe('partitions of each topic'),
  KAFKA_REPLICATION: z.coerce.number().int().min(1).max(9).default(1).describe('replicas of each partition'),
  KAFKA_DEPARTMENTS: list
    .default([])
    .describe('ids of the organisations (by comma) that have a topic of what concerns them'),
  FEED: z.enum(['store', 'kafka']).default('store').describe('where read models and subscriptions hear of events from'),
  // Separate services
  TLS_CERT_FILE: path.optional().describe('certificate of this service (PEM); its common name is the service'),
  TLS_KEY_FILE: path.optional().describe('private key of this service (PEM)'),
  TLS_CA_FILE: path.optional().describe('certificate authority of the services (PEM)'),
  REGISTRY_URLS: replicas.describe('replicas of the registry service (https://…, by comma)'),
  INTEGRATION_URLS: replicas.describe('replicas of the integration service'),
  ACCESS_URLS: replicas.describe('replicas of the access service'),
  MEDIA_URLS: replicas.describe('replicas of the media service'),
  AUDIT_URLS: replicas.describe('replicas of the audit service'),
  TOKEN_KEYS: z
    .string()
    .optional()
    .describe('public keys of the issuer of tokens: a JWKS file or an https address; the gateway has its own'),
  MANAGEMENT_HOST: z.string().default('127.0.0.1').describe('address of health and metrics'),
  MANAGEMENT_PORT: port.optional().describe('port of health and metrics of a service, plain HTTP'),
  // Watching
  OTLP_URL: z.url().optional().describe('OpenTelemetry collector (OTLP over HTTP) that gets the traces'),
  METRICS_NETWORKS: list.default([]).describe('networks (CIDR, by comma) that may read /metrics besides loopback'),
});

/** May be given as `MINGJING_<NAME>_FILE`, the file that holds the value, so that no environment shows it. */
export const SECRET_SETTINGS = ['DATABASE_URL', 'DATABASE_OWNER_URL', 'EVENT_STORE', 'KAFKA_PASSWORD'] as const;

/** Certificate, key and authority of a service, as paths. */
export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
}

/** How Kafka is reached. */
export interface KafkaConfig {
  readonly brokers: readonly string[];
  readonly tls: { readonly caFile: string; readonly certFile?: string; readonly keyFile?: string } | undefined;
  readonly sasl:
    | {
        readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
        readonly username: string;
        readonly password: string;
      }
    | undefined;
  readonly partitions: number;
  readonly replication: number;
  /** Organisations that have a topic of their own. */
  readonly departments: readonly string[];
}

/** Names of the services that run behind the gateway. */
export const SERVICES = ['registry', 'integration', 'access', 'media', 'audit'] as const;
export type ServiceName = (typeof SERVICES)[number];

/** Settings of one process; see {@link settings} for meanings. */
export interface HubConfig {
  readonly host: string;
  readonly port: number;
  readonly dataDir: string;
  readonly keysDir: string;
  readonly databaseUrl: string | undefined;
  readonly databaseOwnerUrl: string | undefined;
  readonly eventStore: string | undefined;
  readonly publicUrl: string;
  readonly sourceNetworks: readonly string[];
  readonly sourceFolder: string | undefined;
  readonly logLevel: string;
  readonly kafka: KafkaConfig | undefined;
  readonly feed: 'store' | 'kafka';
  readonly tls: TlsFiles | undefined;
  readonly serviceUrls: Readonly<Partial<Record<ServiceName, readonly string[]>>>;
  readonly tokenKeys: string | undefined;
  readonly management: { readonly host: string; readonly port: number } | undefined;
  readonly otlpUrl: string | undefined;
  readonly metricsNetworks: readonly string[];
}

/** Injection token of {@link HubConfig}. */
export const HUB_CONFIG = Symbol('HUB_CONFIG');

const PREFIX = 'MINGJING_';

/**
 * Reads the settings from environment variables.
 * @throws Refusal `platform.bad-configuration` naming the variable and what is wrong with it
 */
export function readConfig(env: Readonly<Record<string, string | undefined>>): HubConfig {
  const given: Record<string, string | undefined> = {};
  for (const [name, value] of Object.entries(env)) {
    if (name.startsWith(PREFIX)) given[name.slice(PREFIX.length)] = value;
  }
  for (const name of SECRET_SETTINGS) {
    const file = given[`${name}_FILE`];
    if (file === undefined) continue;
    if (given[name] !== undefined) throw bad(name, 'is given twice, by value and by file');
    delete given[`${name}_FILE`];
    given[name] = contentOf(name, file);
  }
  const parsed = settings.safeParse(given);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const name = issue?.code === 'unrecognized_keys' ? issue.keys[0] : issue?.path[0];
    throw bad(String(name), issue?.message ?? 'is wrong');
  }
  return configOf(parsed.data);
}

function configOf(c: z.output<typeof settings>): HubConfig {
  return {
    host: c.HOST,
    port: c.PORT,
    dataDir: c.DATA,
    keysDir: c.KEYS ?? join(c.DATA, 'keys'),
    databaseUrl: c.DATABASE_URL,
    databaseOwnerUrl: c.DATABASE_OWNER_URL,
    eventStore: c.EVENT_STORE,
    publicUrl: (c.PUBLIC_URL ?? `http://${c.HOST}:${c.PORT}`).replace(/\/$/, ''),
    sourceNetworks: c.SOURCE_NETWORKS,
    sourceFolder: c.SOURCE_FOLDER,
    logLevel: c.LOG_LEVEL,
    kafka: kafkaOf(c),
    feed: c.FEED,
    tls: tlsOf(c),
    serviceUrls: Object.fromEntries(
      SERVICES.flatMap((service) => {
        const urls = c[`${service.toUpperCase() as Uppercase<ServiceName>}_URLS`];
        return urls === undefined ? [] : [[service, urls]];
      }),
    ),
    tokenKeys: c.TOKEN_KEYS,
    management: c.MANAGEMENT_PORT === undefined ? undefined : { host: c.MANAGEMENT_HOST, port: c.MANAGEMENT_PORT },
    otlpUrl: c.OTLP_URL,
    metricsNetworks: c.METRICS_NETWORKS,
  };
}

function kafkaOf(c: z.output<typeof settings>): KafkaConfig | undefined {
  if (c.KAFKA_BROKERS.length === 0) {
    if (c.FEED === 'kafka') throw bad('FEED', 'kafka needs MINGJING_KAFKA_BROKERS');
    return undefined;
  }
  if ((c.KAFKA_CERT_FILE === undefined) !== (c.KAFKA_KEY_FILE === undefined)) {
    throw bad('KAFKA_CERT_FILE', 'and MINGJING_KAFKA_KEY_FILE go together');
  }
  if (c.KAFKA_SASL !== undefined && (c.KAFKA_USERNAME === undefined || c.KAFKA_PASSWORD === undefined)) {
    throw bad('KAFKA_SASL', 'needs MINGJING_KAFKA_USERNAME and MINGJING_KAFKA_PASSWORD');
  }
  const client =
    c.KAFKA_CERT_FILE === undefined ? {} : { certFile: c.KAFKA_CERT_FILE, keyFile: c.KAFKA_KEY_FILE as string };
  return {
    brokers: c.KAFKA_BROKERS,
    tls: c.KAFKA_CA_FILE === undefined ? undefined : { caFile: c.KAFKA_CA_FILE, ...client },
    sasl:
      c.KAFKA_SASL === undefined
        ? undefined
        : { mechanism: c.KAFKA_SASL, username: c.KAFKA_USERNAME!, password: c.KAFKA_PASSWORD! },
    partitions: c.KAFKA_PARTITIONS,
    replication: c.KAFKA_REPLICATION,
    departments: c.KAFKA_DEPARTMENTS,
  };
}

function tlsOf(c: z.output<typeof settings>): TlsFiles | undefined {
  const { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile, TLS_CA_FILE: caFile } = c;
  if (certFile === undefined && keyFile === undefined && caFile === undefined) return undefined;
  if (certFile === undefined || keyFile === undefined || caFile === undefined) {
    throw bad('TLS_CERT_FILE', 'MINGJING_TLS_KEY_FILE and MINGJING_TLS_CA_FILE go together');
  }
  return { certFile, keyFile, caFile };
}

function contentOf(name: string, file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw bad(`${name}_FILE`, `cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}

function bad(name: string, what: string) {
  return platformRefusals['platform.bad-configuration'](`${PREFIX}${name}: ${what}`);
}
