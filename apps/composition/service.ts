import { type DynamicModule, Global, Module, type Provider, type Type } from '@nestjs/common';
import type { FastifyInstance } from 'fastify';
import { rightsOf } from '#libs/catalogue';
import { type Leadership, leadershipOf } from '#libs/event-store';
import { TokenModule } from '#libs/identity';
import { SystemClock } from '#libs/kernel';
import {
  badSetting,
  type HubConfig,
  needed,
  openApiDocument,
  PlatformModule,
  type ServiceName,
  startTelemetry,
} from '#libs/platform';
import {
  admitPeers,
  PortController,
  remotePort,
  SERVED_PORTS,
  TlsIdentity,
  Upstream,
  type WirePort,
} from '#libs/remote';
import { openDataFolder } from './data-folder.js';
import { createHttp, observed, serveManagement, standBy, warn } from './http.js';
import { openParts } from './parts.js';
import { holdsVaultKey, type ProcessName } from './provision.js';
import { type Running, requireProgram, startInSteps } from './run.js';

/** One service in a process of its own. */
export interface Service {
  readonly name: ProcessName;
  readonly feature: Type;
  /** Ports that it answers for others. */
  readonly serves?: readonly WirePort[];
  /** Ports that it asks, and of which service. */
  readonly asks?: readonly { readonly port: WirePort; readonly of: ServiceName }[];
  /** Only one process may do its work; further replicas stand by and take over. */
  readonly single?: boolean;
  /** Programs that must be installed. */
  readonly needs?: readonly string[];
}

/** Where the OpenAPI document of a service stands; the gateway puts them together. */
export const OPENAPI_PATH = '/openapi.json';

/**
 * Starts a service behind the gateway: mutual TLS for users' requests and ports, plain HTTP for health and metrics.
 * @throws Error or Refusal whose message is one sentence that says what is wrong
 */
export async function startService(service: Service, config: HubConfig): Promise<Running> {
  // 1. What must be there before anything is opened
  for (const program of service.needs ?? []) requireProgram(program);
  const databaseUrl = needed(config.databaseUrl, 'DATABASE_URL', 'a service');
  const identity = new TlsIdentity(needed(config.tls, 'TLS_CERT_FILE', 'a service'));
  if (identity.name !== service.name) {
    throw badSetting(
      'TLS_CERT_FILE',
      `the certificate is that of ${identity.name}, this is the ${service.name} service`,
    );
  }
  openDataFolder(config.dataDir);

  const telemetry = startTelemetry({ service: service.name, otlpUrl: config.otlpUrl, warn });
  return startInSteps(async (undoLater) => {
    undoLater(() => telemetry.stop());
    // 2. Its turn
    const leadership = service.single ? await takeTurn(service.name, databaseUrl, config, identity) : undefined;
    undoLater(async () => leadership?.resign());

    // 3. Event store, vault, the services that this one asks
    const parts = await openParts(config, databaseUrl, {
      clock: new SystemClock(),
      vault: holdsVaultKey(service.name),
      categories: rightsOf(service.name).categories,
    });
    undoLater(parts.close);
    const asked = (service.asks ?? []).map(({ port, of }) => {
      const urls = needed(config.serviceUrls[of], `${of.toUpperCase()}_URLS`, 'a service');
      const upstream = new Upstream(of, urls, identity);
      undoLater(() => upstream.close());
      return { provide: port.port, useValue: remotePort(port, upstream, parts.metrics) };
    });

    // 4. HTTP
    const app = await createHttp(ServiceModule.of(service, [...parts.providers, ...asked]), config, identity);
    undoLater(observed(app, parts.vault));
    const fastify = app.getHttpAdapter().getInstance() as unknown as FastifyInstance;
    admitPeers(fastify, service.serves ?? []);
    fastify.get(OPENAPI_PATH, () => openApiDocument(app));
    await app.listen(config.port, config.host);
    const management = await serveManagement(app, config);
    undoLater(async () => void management?.close());
    const { port } = app.getHttpServer().address() as { port: number };
    const failed = leadership?.lost ?? new Promise<string>(() => undefined);
    return { url: `https://${config.host}:${port}`, behindGateway: true, failed };
  });
}

/** Waits for the turn of this replica; meanwhile it answers that another one works. */
async function takeTurn(
  work: ProcessName,
  databaseUrl: string,
  config: HubConfig,
  identity: TlsIdentity,
): Promise<Leadership> {
  const stopWaiting = await standBy(config, identity);
  process.stdout.write(`Mingjing ${work} 明镜 stands by until it is its turn\n`);
  const waiting = new AbortController();
  const ended = () => waiting.abort(new Error('it was stopped while it stood by.'));
  process.once('SIGTERM', ended);
  process.once('SIGINT', ended);
  try {
    return await leadershipOf(work, databaseUrl, waiting.signal, { throughOutages: true });
  } finally {
    process.off('SIGTERM', ended);
    process.off('SIGINT', ended);
    await stopWaiting();
  }
}

@Global()
@Module({})
class ServiceModule {
  static of(service: Service, providers: readonly Provider[]): DynamicModule {
    const serves = service.serves ?? [];
    return {
      module: ServiceModule,
      imports: [PlatformModule.forRoot(providers), TokenModule, service.feature],
      controllers: serves.length > 0 ? [PortController] : [],
      providers: [{ provide: SERVED_PORTS, useValue: serves }],
    };
  }
}
