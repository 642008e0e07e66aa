import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EmbeddedPostgres } from '../../libs/platform/embedded-postgres.js';

/** What the teardown needs; it runs in the same process. */
export interface TestServices {
  postgres?: EmbeddedPostgres;
  dataDir?: string;
}

/** One real PostgreSQL for all specs of a run; each spec makes its own database on it (see postgres.ts). */
export async function startServices(): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), 'mingjing-test-'));
  // Jest loads a global setup past its module mapping, so that `.js` would not find the source.
  const source = join(process.cwd(), 'libs/platform/embedded-postgres.ts');
  const { startEmbeddedPostgres } = (await import(source)) as typeof import('../../libs/platform/embedded-postgres.js');
  const postgres = await startEmbeddedPostgres({ dataDir });
  process.env.TEST_POSTGRES_URL = postgres.ownerUrl;
  process.env.TEST_POSTGRES_SERVICE_URL = postgres.serviceUrl;
  Object.assign(globalThis, { testServices: { postgres, dataDir } satisfies TestServices });
}

export { startServices as default };
