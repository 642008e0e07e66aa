import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startRtspServer } from '../../test/services/rtsp.js';
import type { SourceProtocol } from './ports.js';
import { probe } from './probe.js';
import { testVideo } from './recording.fixture.js';
import { SourceGuard } from './source-address.js';

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  return (server.address() as AddressInfo).port;
}

describe('a probe', () => {
  let folder: string;
  let guard: SourceGuard;
  const look = async (protocol: SourceProtocol, address: string, timeMs = 8_000) =>
    probe(await guard.check(protocol, address), undefined, timeMs);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sources-'));
    guard = new SourceGuard({ networks: ['127.0.0.1/32'], folder });
  });
  afterAll(() => rm(folder, { recursive: true }));

  test('tells what an RTSP camera sends, and what is wrong with the credentials', async () => {
    const server = await startRtspServer();
    expect(await look('rtsp', server.url)).toEqual({
      reachable: true,
      codec: 'h264',
      width: 640,
      height: 360,
      frameRate: 25,
    });
    await server.stop();
    expect(await look('rtsp', server.url)).toEqual({ reachable: false, failure: 'unreachable' });
    const closed = await startRtspServer({ username: 'viewer', password: 'x' });
    expect(await look('rtsp', closed.url)).toEqual({ reachable: false, failure: 'unauthorised' });
    await closed.stop();
  });

  test('tells what a file holds, and when that is no video', async () => {
    await writeFile(join(folder, 'street.mp4'), testVideo(2));
    await writeFile(join(folder, 'letter.mp4'), 'Dear hub, '.repeat(10_000));
    expect(await look('file', 'street.mp4')).toMatchObject({ reachable: true, codec: 'h264', frameRate: 25 });
    expect(await look('file', 'letter.mp4')).toMatchObject({ reachable: false, failure: 'garbage' });
  });

  test('gives up on a server that says nothing, or nothing but noise', async () => {
    const silent = createServer((socket) => void socket.on('error', () => {}));
    const port = await listening(silent);
    expect(await look('rtsp', `rtsp://127.0.0.1:${port}/x`, 500)).toEqual({ reachable: false, failure: 'timed-out' });
    expect(await look('rtmp', `rtmp://127.0.0.1:${port}/a/b`, 500)).toEqual({ reachable: false, failure: 'timed-out' });
    expect(await look('http', `http://127.0.0.1:${port}/x`, 500)).toEqual({ reachable: false, failure: 'timed-out' });
    silent.close();
    const noisy = createHttpServer((_, response) => response.end(Buffer.alloc(300_000, 'noise ')));
    expect(await look('http', `http://127.0.0.1:${await listening(noisy)}/x`)).toEqual({
      reachable: false,
      failure: 'garbage',
    });
    noisy.close();
  });
});
