import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, type HubConfig, SERVICES, type ServiceName } from '#libs/platform';
import { openDataFolder } from '../composition/data-folder.js';
import { portIsFree, urlOf } from '../composition/http.js';
import { type Database, openDatabase } from '../composition/parts.js';
import {
  asRole,
  newPassword,
  PROCESSES,
  PROVIDED_FILES,
  type ProcessName,
  type Provided,
  prepareDatabase,
  provision,
  writeSecret,
} from '../composition/provision.js';
import { type Running, startInSteps } from '../composition/run.js';
import { Supervised } from './supervised.js';

/** How many processes of each service run; one of those not named. */
export type Replicas = Readonly<Partial<Record<ServiceName, number>>>;

export interface Installation extends Running {
  readonly processes: readonly Supervised[];
  /**
   * Restarts one process after the other; users notice nothing. Asked again meanwhile it is the same restart.
   * @throws Error when a process does not start anew: it and those after it are the old ones, and work on
   */
  restartAll(): Promise<void>;
}

interface Place {
  readonly name: ProcessName;
  readonly replica: number;
  readonly port: number;
  readonly managementPort: number;
}

/** The settings of one process, as environment variables. */
export type ProcessSettings = Readonly<Record<string, string>>;

/**
 * Starts every service as a process of its own on this machine, from one configuration, the hub's own.
 * @param alter has the last word on the settings of each process, for instance when something stands between two of them
 */
export async function startInstallation(
  config: HubConfig,
  replicas: Replicas,
  say: (line: string) => void,
  alter: (name: ProcessName, settings: ProcessSettings) => ProcessSettings = (_, settings) => settings,
): Promise<Installation> {
  // 1. Database, keys, certificates
  await portIsFree(config.host, config.port);
  openDataFolder(config.dataDir);
  return startInSteps(async (undoLater) => {
    const database = await openDatabase(config);
    undoLater(() => database.stop());
    const urls = await rolesIn(database);
    const provided = await provision(join(config.dataDir, 'provided'), config.keysDir);

    // 2. A place for each process
    const places = await placesFor(config, replicas);
    const replicasOf = (service: ServiceName) =>
      places.filter(({ name }) => name === service).map(({ port }) => `https://127.0.0.1:${port}`);
    let administratorCode: string | undefined;
    const heard = (line: string) => {
      administratorCode = /One-time administrator credential[^:]*: (\S+)/.exec(line)?.[1] ?? administratorCode;
      say(line);
    };
    const processes = places.map((place) => {
      const environment = alter(
        place.name,
        settingsOf(config, place, provided[place.name], urls[place.name], replicasOf),
      );
      const label = place.replica === 0 ? place.name : `${place.name}-${place.replica + 1}`;
      const program = join(import.meta.dirname, '..', place.name, 'main.js');
      return new Supervised(label, program, environment, heard);
    });

    // 3. The services side by side, the gateway when they answer
    undoLater(() => Promise.all(processes.map((each) => each.stop())));
    const [gateway, ...services] = processes;
    await Promise.all(services.map((each) => each.start()));
    await gateway!.start();
    let restart: Promise<void> | undefined;
    const restartAll = () => {
      restart ??= (async () => {
        for (const each of processes) await each.restart();
      })().finally(() => {
        restart = undefined;
      });
      return restart;
    };
    return { url: urlOf(config, config.port), administratorCode, failed: database.failed, processes, restartAll };
  });
}

/** The settings of Kafka as they were given, the password in a file. */
function kafkaSettings({ kafka, feed }: HubConfig, folder: string): Record<string, string> {
  if (kafka === undefined) return {};
  const { brokers, tls, sasl, partitions, replication, departments } = kafka;
  const password = join(folder, PROVIDED_FILES.kafkaPassword);
  if (sasl !== undefined) writeSecret(password, sasl.password);
  return {
    MINGJING_KAFKA_BROKERS: brokers.join(','),
    MINGJING_KAFKA_PARTITIONS: String(partitions),
    MINGJING_KAFKA_REPLICATION: String(replication),
    MINGJING_KAFKA_DEPARTMENTS: departments.join(','),
    MINGJING_FEED: feed,
    ...(tls && { MINGJING_KAFKA_CA_FILE: tls.caFile }),
    ...(tls?.certFile && { MINGJING_KAFKA_CERT_FILE: tls.certFile }),
    ...(tls?.keyFile && { MINGJING_KAFKA_KEY_FILE: tls.keyFile }),
    ...(sasl && {
      MINGJING_KAFKA_SASL: sasl.mechanism,
      MINGJING_KAFKA_USERNAME: sasl.username,
      MINGJING_KAFKA_PASSWORD_FILE: password,
    }),
  };
}

/** A database role for each process; passwords are new at every start. */
async function rolesIn({ ownerUrl, serviceUrl }: Database): Promise<Record<ProcessName, string>> {
  const passwords = Object.fromEntries(PROCESSES.map((name) => [name, newPassword()])) as Record<ProcessName, string>;
  await prepareDatabase(ownerUrl, passwords);
  const urls = PROCESSES.map((name) => [name, asRole(serviceUrl, name, passwords[name])]);
  return Object.fromEntries(urls) as Record<ProcessName, string>;
}

async function placesFor(config: HubConfig, replicas: Replicas): Promise<Place[]> {
  const places: Place[] = [
    { name: 'gateway', replica: 0, port: config.port, managementPort: config.management?.port ?? (await freePort()) },
  ];
  for (const name of SERVICES) {
    for (let replica = 0; replica < (replicas[name] ?? 1); replica += 1) {
      places.push({ name, replica, port: await freePort(), managementPort: await freePort() });
    }
  }
  if (config.kafka !== undefined) {
    places.push({ name: 'relay', replica: 0, port: await freePort(), managementPort: await freePort() });
  }
  return places;
}

function settingsOf(
  config: HubConfig,
  { name, port, managementPort }: Place,
  provided: Provided,
  databaseUrl: string,
  replicasOf: (service: ServiceName) => string[],
): Record<string, string> {
  // Recordings lie where a hub in one process has them, so that one can take the place of the other.
  const data = name === 'media' ? config.dataDir : join(config.dataDir, 'services', name);
  mkdirSync(data, { recursive: true, mode: 0o700 });
  const databaseFile = join(provided.folder, PROVIDED_FILES.databaseUrl);
  const eventStoreFile = join(provided.folder, PROVIDED_FILES.eventStore);
  writeSecret(databaseFile, databaseUrl);
  if (config.eventStore !== undefined) writeSecret(eventStoreFile, config.eventStore);
  const services = SERVICES.map((service) => [`MINGJING_${service.toUpperCase()}_URLS`, replicasOf(service).join(',')]);
  return {
    MINGJING_HOST: name === 'gateway' ? config.host : '127.0.0.1',
    MINGJING_PORT: String(port),
    MINGJING_MANAGEMENT_PORT: String(managementPort),
    MINGJING_DATA: data,
    MINGJING_KEYS: provided.folder,
    MINGJING_PUBLIC_URL: config.publicUrl,
    MINGJING_LOG_LEVEL: config.logLevel,
    MINGJING_DATABASE_URL_FILE: databaseFile,
    MINGJING_TLS_CERT_FILE: provided.certFile,
    MINGJING_TLS_KEY_FILE: provided.keyFile,
    MINGJING_TLS_CA_FILE: provided.caFile,
    MINGJING_TOKEN_KEYS: provided.tokenKeys,
    MINGJING_SOURCE_NETWORKS: config.sourceNetworks.join(','),
    ...(config.sourceFolder === undefined ? {} : { MINGJING_SOURCE_FOLDER: config.sourceFolder }),
    ...Object.fromEntries(services),
    ...(config.https && {
      MINGJING_HTTPS_CERT_FILE: config.https.certFile,
      MINGJING_HTTPS_KEY_FILE: config.https.keyFile,
    }),
    ...(config.otlpUrl === undefined ? {} : { MINGJING_OTLP_URL: config.otlpUrl }),
    MINGJING_METRICS_NETWORKS: config.metricsNetworks.join(','),
    ...(config.eventStore === undefined ? {} : { MINGJING_EVENT_STORE_FILE: eventStoreFile }),
    ...kafkaSettings(config, provided.folder),
  };
}
