import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { AdministratorBootstrap } from '#libs/identity';
import { type Clock, SystemClock } from '#libs/kernel';
import { type HubConfig, hardenHttp, serveApiReference, startTelemetry } from '#libs/platform';
import { openDataFolder } from '../composition/data-folder.js';
import { createHttp, observed, portIsFree, serveManagement, urlOf, warn } from '../composition/http.js';
import { migrate, openDatabase, openParts } from '../composition/parts.js';
import { type Running, requireProgram, startInSteps } from '../composition/run.js';
import { HubModule } from './hub.module.js';

export interface Hub extends Running {
  readonly app: NestFastifyApplication;
}

/**
 * Starts everything in one process: database, event store, services, HTTP.
 * @throws Error whose message is one sentence that says what is wrong
 */
export async function startHub(config: HubConfig, clock: Clock = new SystemClock()): Promise<Hub> {
  // 1. What must be there before anything is written
  requireProgram('ffmpeg');
  await portIsFree(config.host, config.port);
  openDataFolder(config.dataDir);

  const telemetry = startTelemetry({ service: 'hub', otlpUrl: config.otlpUrl, warn });
  return startInSteps(async (undoLater) => {
    undoLater(() => telemetry.stop());
    // 2. Database, event store, vault
    const database = await openDatabase(config);
    undoLater(() => database.stop());
    await migrate(database);
    const parts = await openParts(config, database.serviceUrl, { clock, vault: true });
    undoLater(parts.close);

    // 3. Services and HTTP
    const app = await createHttp(HubModule.forRoot(parts.providers, config), config);
    undoLater(observed(app, parts.vault));
    await hardenHttp(app);
    serveApiReference(app);
    await app.listen(config.port, config.host);
    const management = await serveManagement(app, config);
    undoLater(async () => void management?.close());
    const { port } = app.getHttpServer().address() as { port: number };
    const administratorCode = await app.get(AdministratorBootstrap).codeWhileUnused();
    return { url: urlOf(config, port), app, administratorCode, failed: database.failed };
  });
}
