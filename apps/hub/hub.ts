import { spawnSync } from 'node:child_process';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { AdministratorBootstrap } from '#libs/identity';
import { type Clock, SystemClock } from '#libs/kernel';
import { type HubConfig, hardenHttp, serveApiReference, startTelemetry } from '#libs/platform';
import { openDataFolder } from '../composition/data-folder.js';
import { createHttp, observed, portIsFree, serveManagement, urlOf, warn } from '../composition/http.js';
import { migrate, openDatabase, openParts } from '../composition/parts.js';
import type { Running } from '../composition/run.js';
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
  if (spawnSync('ffmpeg', ['-version'], { stdio: 'ignore' }).status !== 0) {
    throw new Error('ffmpeg is missing; install it with: apt-get install ffmpeg');
  }
  await portIsFree(config.host, config.port);
  openDataFolder(config.dataDir);

  const telemetry = startTelemetry({ service: 'hub', otlpUrl: config.otlpUrl, warn });
  const undo: (() => Promise<void>)[] = [() => telemetry.stop()];
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    // 2. Database, event store, vault
    const database = await openDatabase(config);
    undo.push(() => database.stop());
    await migrate(database);
    const parts = await openParts(config, database.serviceUrl, { clock, vault: true });
    undo.push(parts.close);

    // 3. Services and HTTP
    const app = await createHttp(HubModule.forRoot(parts.providers, config), config);
    undo.push(observed(app, parts.vault));
    await hardenHttp(app);
    serveApiReference(app);
    await app.listen(config.port, config.host);
    const management = await serveManagement(app, config);
    undo.push(async () => void management?.close());
    const { port } = app.getHttpServer().address() as { port: number };
    const administratorCode = await app.get(AdministratorBootstrap).codeWhileUnused();
    return { url: urlOf(config, port), app, administratorCode, failed: database.failed, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
