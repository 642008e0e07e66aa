import cluster from 'node:cluster';
import { type DynamicModule, Module, type Provider } from '@nestjs/common';
import type { FastifyInstance } from 'fastify';
import { rightsOf } from '#libs/catalogue';
import { AdministratorBootstrap, IdentityModule } from '#libs/identity';
import { SystemClock } from '#libs/kernel';
import {
  type HubConfig,
  hardenHttp,
  needed,
  openApiDocument,
  PlatformModule,
  SERVICES,
  serveApiReference,
  startTelemetry,
} from '#libs/platform';
import { type ProxyRoute, proxyTo, TlsIdentity, Upstream } from '#libs/remote';
import { openDataFolder } from '../composition/data-folder.js';
import { createHttp, observed, portIsFree, serveManagement, urlOf, warn } from '../composition/http.js';
import { openParts } from '../composition/parts.js';
import { type Running, startInSteps } from '../composition/run.js';
import { ApiDocuments } from './api-documents.js';
import { ROUTES } from './routes.js';

@Module({})
class GatewayModule {
  static forRoot(providers: readonly Provider[]): DynamicModule {
    return { module: GatewayModule, imports: [PlatformModule.forRoot(providers), IdentityModule] };
  }
}

/**
 * Starts the gateway: sign-in, people and organisations, and the door to the services behind.
 * @throws Error or Refusal whose message is one sentence that says what is wrong
 */
export async function startGateway(config: HubConfig): Promise<Running> {
  // 1. What must be there before anything is opened
  const tls = needed(config.tls, 'TLS_CERT_FILE', 'the gateway');
  const databaseUrl = needed(config.databaseUrl, 'DATABASE_URL', 'the gateway');
  // A worker shares the port with the gateway that it is to replace.
  if (cluster.isPrimary) await portIsFree(config.host, config.port);
  const identity = new TlsIdentity(tls);
  openDataFolder(config.dataDir);

  const telemetry = startTelemetry({ service: 'gateway', otlpUrl: config.otlpUrl, warn });
  return startInSteps(async (undoLater) => {
    undoLater(() => telemetry.stop());
    // 2. The services behind
    const routes = SERVICES.map((service): ProxyRoute => {
      const urls = needed(config.serviceUrls[service], `${service.toUpperCase()}_URLS`, 'the gateway');
      const upstream = new Upstream(service, urls, identity);
      undoLater(() => upstream.close());
      return { prefixes: ROUTES[service], upstream };
    });

    // 3. Event store, vault, HTTP
    const parts = await openParts(config, databaseUrl, {
      clock: new SystemClock(),
      vault: true,
      categories: rightsOf('gateway').categories,
    });
    undoLater(parts.close);
    const app = await createHttp(GatewayModule.forRoot(parts.providers), config);
    undoLater(observed(app, parts.vault));
    await hardenHttp(app);
    const documents = new ApiDocuments(
      () => openApiDocument(app),
      routes.map(({ upstream }) => upstream),
    );
    undoLater(async () => documents.stop());
    serveApiReference(app, () => documents.whole());
    proxyTo(app.getHttpAdapter().getInstance() as unknown as FastifyInstance, routes);
    await app.listen(config.port, config.host);
    const management = await serveManagement(app, config);
    undoLater(async () => void management?.close());
    documents.start();
    const administratorCode = await app.get(AdministratorBootstrap).codeWhileUnused();
    return {
      url: urlOf(config, config.port),
      administratorCode,
      failed: new Promise(() => undefined),
    };
  });
}
