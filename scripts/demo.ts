import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '#libs/platform';
import { playStory } from '../test/scenarios/story.js';
import { startHubProcess } from '../test/services/hub-process.js';
import { startRtspServer } from '../test/services/rtsp.js';

const once = process.argv.includes('--once');
const composition = process.argv.includes('--services') ? 'services' : 'hub';
const preferredPort = 8080;

/** Plays the story against a fresh hub, as its users would: by HTTP, with a real RTSP camera. */
async function demo(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'mingjing-demo-'));
  const camera = await startRtspServer();
  const settings = {
    MINGJING_DATA: join(folder, 'data'),
    MINGJING_PORT: String(await choosePort()),
    MINGJING_SOURCE_NETWORKS: '127.0.0.1/32',
  };
  const hub = await startHubProcess(settings, (line) => process.stdout.write(`hub | ${line}\n`), composition);
  const stop = async () => {
    await hub.stop();
    await camera.stop();
    if (once) rmSync(folder, { recursive: true, force: true });
  };
  process.once('SIGINT', () => void stop().then(() => process.exit(once ? 1 : 0)));
  try {
    const report = (line: string) => process.stdout.write(`${line}\n`);
    const { events, frames, clipSha256 } = await playStory({
      baseUrl: hub.url,
      administratorCode: hub.administratorCode ?? '',
      cameraUrl: camera.url,
      folder,
      report,
    });
    if (!once) {
      report(`\nThe hub goes on running on ${hub.url} (data in ${folder}); Ctrl-C stops it.`);
      report(`demo ok: ${events} events, ${frames} frames, clip ${clipSha256}`);
      await hub.ended;
      return 0;
    }
    await stop();
    report(`demo ok: ${events} events, ${frames} frames, clip ${clipSha256}`);
    return 0;
  } catch (error) {
    await stop();
    process.stderr.write(`demo failed: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

/** The usual port for a demo that stays, when it is free; any free one otherwise. */
function choosePort(): Promise<number> {
  if (once) return freePort();
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(freePort()));
    server.listen(preferredPort, '127.0.0.1', () => server.close(() => resolve(preferredPort)));
  });
}

process.exitCode = await demo();
