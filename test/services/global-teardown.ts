import { rm } from 'node:fs/promises';
import type { TestServices } from './global-setup.js';

/** Stops what startServices started. */
export async function stopServices(): Promise<void> {
  const { testServices } = globalThis as { testServices?: TestServices };
  await testServices?.postgres?.stop();
  if (testServices?.dataDir) await rm(testServices.dataDir, { recursive: true, force: true });
}

export { stopServices as default };
