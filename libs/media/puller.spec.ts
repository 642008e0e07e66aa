import { execFile } from 'node:child_process';
import { createServer, type Server as HttpServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import { promisify } from 'node:util';
import { startRtspServer } from '../../test/services/rtsp.js';
import type { Fragment, InitSegment } from './fmp4.js';
import type { SourceProtocol } from './ports.js';
import { Puller, type PullerLimits } from './puller.js';
import { testVideo } from './recording.fixture.js';
import { SourceGuard } from './source-address.js';

const guard = new SourceGuard({ networks: ['127.0.0.1/32'], folder: undefined });

/** Pulls, and tells of what happened in the order in which it did. */
function pull(
  protocol: SourceProtocol,
  address: string,
  limits: Partial<PullerLimits> = {},
  credentials?: { username: string; password: string },
) {
  const said: string[] = [];
  const logged: string[] = [];
  const inits: InitSegment[] = [];
  const fragments: Fragment[] = [];
  const waiting = new Set<() => void>();
  const tell = (what?: string) => {
    if (what !== undefined) said.push(what);
    for (const look of waiting) look();
  };
  const puller = new Puller({
    source: () => guard.check(protocol, address),
    credentials: async () => credentials,
    onInit: async (init) => void inits.push(init),
    onFragment: async (fragment) => {
      fragments.push(fragment);
      tell();
    },
    interrupted: (failure) => tell(`interrupted: ${failure}`),
    restored: () => tell('restored'),
    log: (message, facts) => logged.push(`${message} ${JSON.stringify(facts)}`),
    limits: { backOffMs: 100, backOffMsMax: 400, ...limits },
  });
  puller.start();
  const until = (holds: () => boolean) =>
    new Promise<void>((resolve) => {
      const look = () => {
        if (!holds()) return;
        waiting.delete(look);
        resolve();
      };
      waiting.add(look);
      look();
    });
  return { puller, said, logged, inits, fragments, until };
}

async function listening<S extends Server | HttpServer>(server: S): Promise<S & { port: number }> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  return Object.assign(server, { port: (server.address() as AddressInfo).port });
}

describe('pulling RTSP', () => {
  test('takes fragments of two seconds, tells once of an interruption and once of its end', async () => {
    let server = await startRtspServer();
    const { port } = server;
    const pulled = pull('rtsp', server.url);
    await pulled.until(() => pulled.fragments.length === 2);
    expect(pulled.said).toEqual([]);
    expect(pulled.inits[0]?.track).toMatchObject({ width: 640, height: 360 });
    expect(pulled.fragments[0]!.samples).toBe(50);

    await server.stop();
    await pulled.until(() => pulled.said.length > 0);
    expect(pulled.said).toEqual(['interrupted: ended']);
    server = await startRtspServer({ port });
    await pulled.until(() => pulled.said.length > 1);
    expect(pulled.said).toEqual(['interrupted: ended', 'restored']);
    await pulled.puller.stop();
    await server.stop();
  });

  test('signs in by digest and leaves no trace of the password in process lists or logs', async () => {
    const server = await startRtspServer({ username: 'viewer', password: 'sesame-77' });
    const pulled = pull('rtsp', server.url, {}, { username: 'viewer', password: 'sesame-77' });
    await pulled.until(() => pulled.fragments.length === 1);
    const { stdout: processes } = await promisify(execFile)('ps', ['-eo', 'args']);
    expect(processes).toContain('ffmpeg');
    // What the test itself has on the server's command line is not the gateway's doing.
    expect(processes.split('\n').filter((line) => line.includes('sesame-77') && line.includes('ffmpeg'))).toEqual([]);
    await pulled.puller.stop();
    expect(pulled.logged.join()).not.toMatch(/sesame|127\.0\.0\.1/);
    const stranger = pull('rtsp', server.url, {}, { username: 'viewer', password: 'guess' });
    await stranger.until(() => stranger.said.length > 0);
    expect(stranger.said).toEqual(['interrupted: unauthorised']);
    await stranger.puller.stop();
    await server.stop();
  });

  test('of H.265 names it as every player knows it', async () => {
    const server = await startRtspServer({ codec: 'h265' });
    const pulled = pull('rtsp', server.url);
    await pulled.until(() => pulled.fragments.length === 1);
    expect(pulled.inits.map(({ track }) => track.codec.slice(0, 5))).toEqual(['hvc1.']);
    expect(pulled.said).toEqual([]);
    await pulled.puller.stop();
    await server.stop();
  });

  test('is led nowhere by a redirection', async () => {
    let visits = 0;
    const elsewhere = await listening(
      createTcpServer(() => {
        visits += 1;
      }),
    );
    const server = await listening(
      createTcpServer((socket) => {
        socket.on('data', () => {
          socket.write(`RTSP/1.0 302 Found\r\nCSeq: 1\r\nLocation: rtsp://127.0.0.1:${elsewhere.port}/x\r\n\r\n`);
        });
        socket.on('error', () => {});
      }),
    );
    const pulled = pull('rtsp', `rtsp://127.0.0.1:${server.port}/x`);
    await pulled.until(() => pulled.said.length > 0);
    expect(pulled.said).toEqual(['interrupted: redirected']);
    await pulled.puller.stop();
    expect(visits).toBe(0);
    server.close();
    elsewhere.close();
  });

  test('gives up on a server that takes the connection and says nothing', async () => {
    const server = await listening(createTcpServer((socket) => void socket.on('error', () => {})));
    const pulled = pull('rtsp', `rtsp://127.0.0.1:${server.port}/x`, { stallMs: 700 });
    await pulled.until(() => pulled.said.length > 0);
    expect(pulled.said).toEqual(['interrupted: timed-out']);
    await pulled.puller.stop();
    server.close();
  });
});

test('a secret store that does not answer is an interruption, and its words are in no log', async () => {
  const said: string[] = [];
  const logged: string[] = [];
  await new Promise<void>((resolve) => {
    const puller = new Puller({
      source: () => guard.check('rtsp', 'rtsp://127.0.0.1:9/x'),
      credentials: () => Promise.reject(new Error('sesame-77')),
      onInit: async () => {},
      onFragment: async () => {},
      interrupted: (failure) => {
        said.push(failure);
        void puller.stop().then(resolve);
      },
      restored: () => {},
      log: (message, facts) => logged.push(`${message} ${JSON.stringify(facts)}`),
    });
    puller.start();
  });
  expect(said).toEqual(['credentials-unavailable']);
  expect(logged.join()).not.toContain('sesame');
});

describe('pulling HTTP', () => {
  /** Serves one body to every request, then lets the connection hang. */
  async function serving(body: Buffer, status = 200, headers: Record<string, string> = {}) {
    const server = createServer((_, response) => {
      response.on('error', () => {});
      response.writeHead(status, headers);
      response.write(body);
    });
    const { port } = await listening(server);
    const close = () => {
      server.close();
      server.closeAllConnections();
    };
    return { url: `http://127.0.0.1:${port}/camera`, close };
  }

  test('takes a stream, and a stream that stops is an interruption', async () => {
    const server = await serving(testVideo(6));
    const pulled = pull('http', server.url, { stallMs: 1_500 });
    await pulled.until(() => pulled.said.length > 0);
    expect(pulled.said).toEqual(['interrupted: stalled']);
    expect(pulled.fragments.length).toBeGreaterThanOrEqual(2);
    await pulled.puller.stop();
    server.close();
  });

  const noise = Buffer.alloc(400_000, 'never gonna give you up ');
  const lyingTransportStream = Buffer.alloc(188 * 3_000, 0xaa);
  for (let at = 0; at < lyingTransportStream.length; at += 188) lyingTransportStream.writeUInt32BE(0x47010010, at);
  const torn = testVideo(6).fill(0xee, 9_000, 9_400);

  test.each([
    ['noise', noise],
    ['what calls itself a transport stream and is none', lyingTransportStream],
    ['a playlist that names a file of ours', Buffer.from('#EXTM3U\n#EXTINF:2,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n')],
    ['a video that breaks off into noise', torn],
  ])('of %s is an interruption and nothing else', async (_, body) => {
    const server = await serving(body);
    const pulled = pull('http', server.url, { stallMs: 1_500 });
    await pulled.until(() => pulled.said.length > 0);
    expect(pulled.said[0]).toMatch(/^interrupted: (garbage|no-video|timed-out|stalled|ended|unreachable)$/);
    await pulled.puller.stop();
    server.close();
  });

  test('follows no redirection', async () => {
    let visits = 0;
    const elsewhere = await listening(
      createServer((_, response) => {
        visits += 1;
        response.end();
      }),
    );
    const server = await serving(Buffer.from('x'), 302, { location: `http://127.0.0.1:${elsewhere.port}/` });
    const pulled = pull('http', server.url);
    await pulled.until(() => pulled.said.length > 0);
    expect(pulled.said).toEqual(['interrupted: redirected']);
    await pulled.puller.stop();
    expect(visits).toBe(0);
    server.close();
    elsewhere.close();
  });
});
