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

/** Names of the services that run behind the gateway. */
export const SERVICES = ['registry', 'integration', 'access', 'media', 'audit'] as const;
export type ServiceName = (typeof SERVICES)[number];

/** A process that runs by these settings; `hub` is every service in one. */
export type SettingReader = 'hub' | 'gateway' | ServiceName | 'relay';
const BEHIND: readonly SettingReader[] = [...SERVICES, 'relay'];
const IN_PARTS: readonly SettingReader[] = ['gateway', ...BEHIND];

/** What the configuration reference says of a setting besides its type. */
export interface AboutSetting {
  readonly description: string;
  /** Processes that it means something to; default all. */
  readonly readBy?: readonly SettingReader[];
  /** Processes that do not start without it; default none. */
  readonly neededBy?: readonly SettingReader[];
  /** What the value is, where the schema alone does not say it. */
  readonly form?: string;
}

const about = (description: string, more: Omit<AboutSetting, 'description'> = {}) => ({ description, ...more });
const PATH = { form: 'path' };
const HTTPS = { ...PATH, readBy: ['hub', 'gateway'] as const };
const NETWORKS = { form: 'CIDR, by comma' };
const VIDEO: readonly SettingReader[] = ['hub', 'media'];
const STREAMING: readonly SettingReader[] = ['hub', 'relay'];
const MUTUAL_TLS = { ...PATH, readBy: IN_PARTS, neededBy: IN_PARTS };
const urlsOf = (service: ServiceName, ...neededBy: readonly SettingReader[]) =>
  replicas.meta(
    about(`replicas of the ${service} service`, { readBy: neededBy, neededBy, form: '`https://…`, by comma' }),
  );

/** Every setting; each is an environment variable `MINGJING_<NAME>`, unknown ones are refused. */
export const settings = z.strictObject({
  // All processes
  HOST: z.string().default('127.0.0.1').meta(about('address to listen on')),
  PORT: port.default(8080).meta(about('TCP port to listen on')),
  DATA: path.prefault('./data').meta(about('folder of everything this process keeps', PATH)),
  KEYS: path.optional().meta(about('folder of its keys; default `keys` in the data folder', PATH)),
  PUBLIC_URL: z
    .url()
    .optional()
    .meta(about('address by which the hub is reached, the same for every process; default `http://HOST:PORT`')),
  HTTPS_CERT_FILE: path
    .optional()
    .meta(about('certificate with its chain (PEM) for browsers and other systems; turns HTTPS on', HTTPS)),
  HTTPS_KEY_FILE: path.optional().meta(about('its private key (PEM)', HTTPS)),
  LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
    .default('info')
    .meta(about('least weight of what is logged')),
  MANAGEMENT_HOST: z.string().default('127.0.0.1').meta(about('address of health and metrics')),
  MANAGEMENT_PORT: port.optional().meta(about('port of health and metrics, plain HTTP; without it there is none')),
  // Databases
  DATABASE_URL: postgres.optional().meta(
    about('PostgreSQL of read models, positions and vault; without it the hub runs its own in the data folder', {
      neededBy: IN_PARTS,
      form: '`postgres://…`',
    }),
  ),
  DATABASE_OWNER_URL: postgres.optional().meta(
    about('the same database as a role that may alter the event store; for migrations, provisioning and backups', {
      readBy: ['hub'],
      form: '`postgres://…`',
    }),
  ),
  EVENT_STORE: z
    .string()
    .regex(/^(postgres(ql)?|kurrentdb|esdb)(\+discover)?:\/\//, 'is an address postgres://… or kurrentdb://…')
    .optional()
    .meta(about('where events are kept; default DATABASE_URL', { form: '`postgres://…` or `kurrentdb://…`' })),
  // Video
  SOURCE_NETWORKS: list
    .default([])
    .meta(about('networks that video may come from besides the private ones', { ...NETWORKS, readBy: VIDEO })),
  SOURCE_FOLDER: path.optional().meta(about('folder whose files may be video sources', { ...PATH, readBy: VIDEO })),
  // Kafka
  KAFKA_BROKERS: list
    .default([])
    .meta(about('brokers; without them nothing is streamed', { neededBy: ['relay'], form: '`host:port`, by comma' })),
  KAFKA_CA_FILE: path.optional().meta(about('certificate authority of the brokers (PEM); turns TLS on', PATH)),
  KAFKA_CERT_FILE: path.optional().meta(about('certificate of this client (PEM)', PATH)),
  KAFKA_KEY_FILE: path.optional().meta(about('private key of this client (PEM)', PATH)),
  KAFKA_SASL: z
    .enum(['plain', 'scram-sha-256', 'scram-sha-512'])
    .optional()
    .meta(about('SASL mechanism; needs user name and password')),
  KAFKA_USERNAME: z.string().optional().meta(about('user name for SASL')),
  KAFKA_PASSWORD: z.string().optional().meta(about('password for SASL')),
  KAFKA_PARTITIONS: z.coerce
    .number()
    .int()
    .min(1)
    .max(1_000)
    .default(6)
    .meta(about('partitions of each topic', { readBy: STREAMING })),
  KAFKA_REPLICATION: z.coerce
    .number()
    .int()
    .min(1)
    .max(9)
    .default(1)
    .meta(about('replicas of each partition', { readBy: STREAMING })),
  KAFKA_DEPARTMENTS: list
    .default([])
    .meta(about('organisations that have a topic of what concerns them', { readBy: STREAMING, form: 'ids, by comma' })),
  FEED: z
    .enum(['store', 'kafka'])
    .default('store')
    .meta(about('where read models and subscriptions hear of events from')),
  // Separate services
  TLS_CERT_FILE: path
    .optional()
    .meta(about('certificate of this service (PEM); its common name is the service', MUTUAL_TLS)),
  TLS_KEY_FILE: path.optional().meta(about('private key of this service (PEM)', MUTUAL_TLS)),
  TLS_CA_FILE: path.optional().meta(about('certificate authority of the services (PEM)', MUTUAL_TLS)),
  REGISTRY_URLS: urlsOf('registry', 'gateway'),
  INTEGRATION_URLS: urlsOf('integration', 'gateway'),
  ACCESS_URLS: urlsOf('access', 'gateway', 'media'),
  MEDIA_URLS: urlsOf('media', 'gateway', 'integration'),
  AUDIT_URLS: urlsOf('audit', 'gateway'),
  TOKEN_KEYS: z
    .string()
    .optional()
    .meta(
      about('public keys of the issuer of tokens; the gateway has its own', {
        readBy: BEHIND,
        neededBy: BEHIND,
        form: 'path of a JWKS file, or `https://…`',
      }),
    ),
  // Watching
  OTLP_URL: z.url().optional().meta(about('OpenTelemetry collector (OTLP over HTTP) that gets the traces')),
  METRICS_NETWORKS: list.default([]).meta(about('networks that may read `/metrics` besides loopback', NETWORKS)),
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
  /** Certificate and key that people and other systems see; HTTP without. */
  readonly https: { readonly certFile: string; readonly keyFile: string } | undefined;
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
    if (given[name] !== undefined) throw badSetting(name, 'is given twice, by value and by file');
    delete given[`${name}_FILE`];
    given[name] = contentOf(name, file);
  }
  const parsed = settings.safeParse(given);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const name = issue?.code === 'unrecognized_keys' ? issue.keys[0] : issue?.path[0];
    throw badSetting(String(name), issue?.message ?? 'is wrong');
  }
  return configOf(parsed.data);
}

function configOf(c: z.output<typeof settings>): HubConfig {
  const https = httpsOf(c);
  return {
    host: c.HOST,
    port: c.PORT,
    dataDir: c.DATA,
    keysDir: c.KEYS ?? join(c.DATA, 'keys'),
    databaseUrl: c.DATABASE_URL,
    databaseOwnerUrl: c.DATABASE_OWNER_URL,
    eventStore: c.EVENT_STORE,
    publicUrl: (c.PUBLIC_URL ?? `${https === undefined ? 'http' : 'https'}://${c.HOST}:${c.PORT}`).replace(/\/$/, ''),
    https,
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

function httpsOf({ HTTPS_CERT_FILE: certFile, HTTPS_KEY_FILE: keyFile }: z.output<typeof settings>) {
  if (certFile === undefined && keyFile === undefined) return undefined;
  if (certFile === undefined || keyFile === undefined) {
    throw badSetting('HTTPS_CERT_FILE', 'and MINGJING_HTTPS_KEY_FILE go together');
  }
  return { certFile, keyFile };
}

function kafkaOf(c: z.output<typeof settings>): KafkaConfig | undefined {
  if (c.KAFKA_BROKERS.length === 0) {
    if (c.FEED === 'kafka') throw badSetting('FEED', 'kafka needs MINGJING_KAFKA_BROKERS');
    return undefined;
  }
  if ((c.KAFKA_CERT_FILE === undefined) !== (c.KAFKA_KEY_FILE === undefined)) {
    throw badSetting('KAFKA_CERT_FILE', 'and MINGJING_KAFKA_KEY_FILE go together');
  }
  if (c.KAFKA_SASL !== undefined && (c.KAFKA_USERNAME === undefined || c.KAFKA_PASSWORD === undefined)) {
    throw badSetting('KAFKA_SASL', 'needs MINGJING_KAFKA_USERNAME and MINGJING_KAFKA_PASSWORD');
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
    throw badSetting('TLS_CERT_FILE', 'MINGJING_TLS_KEY_FILE and MINGJING_TLS_CA_FILE go together');
  }
  return { certFile, keyFile, caFile };
}

function contentOf(name: string, file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw badSetting(`${name}_FILE`, `cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}

/** The refusal of a setting. */
export function badSetting(name: string, what: string) {
  return platformRefusals['platform.bad-configuration'](`${PREFIX}${name}: ${what}`);
}

/** A setting that a process cannot do without. @throws Refusal `platform.bad-configuration` saying who needs it */
export function needed<T>(value: T | undefined, name: string, who: string): T {
  if (value === undefined) throw badSetting(name, `${who} needs it`);
  return value;
}

/** The text of a file that a setting names. @throws Refusal `platform.bad-configuration` when it cannot be read */
export function readNamedFile(name: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw badSetting(name, `${file} cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}
