import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '#libs/platform';
import { startHubProcess } from '../services/hub-process.js';
import { startRtspServer } from '../services/rtsp.js';
import { MODES } from './modes.js';
import { playStory } from './story.js';

describe.each(MODES)('as $name', ({ composition, prepare }) => {
  test('real video, lawfully requested, approved, retrieved by two investigators, every step recorded', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'story-'));
    const camera = await startRtspServer();
    const prepared = await prepare();
    const settings = {
      ...prepared.settings,
      MINGJING_DATA: join(folder, 'data'),
      MINGJING_PORT: String(await freePort()),
      MINGJING_SOURCE_NETWORKS: '127.0.0.1/32',
    };
    const hub = await startHubProcess(settings, undefined, composition);
    const told: string[] = [];
    try {
      const result = await playStory({
        baseUrl: hub.url,
        administratorCode: hub.administratorCode ?? '',
        cameraUrl: camera.url,
        folder,
        report: (line) => told.push(line),
      });
      expect(result.checks).toBeGreaterThan(100);
      expect(result.frames).toBeGreaterThan(500);
      expect(result.events).toBeGreaterThan(100);
    } catch (error) {
      throw new Error(`${told.slice(-12).join('\n')}\n${String(error)}`);
    } finally {
      await hub.stop();
      await camera.stop();
      await prepared.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  }, 400_000);
});
