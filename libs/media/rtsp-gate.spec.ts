import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import fc from 'fast-check';
import { type RtspServer, startRtspServer } from '../../test/services/rtsp.js';
import { SourceAuthorization } from './authorization.js';
import { RtspGate } from './rtsp-gate.js';
import { RtspError, RtspSplitter } from './rtsp-messages.js';
import type { NetworkSource } from './source-address.js';

const open: (Server | RtspGate)[] = [];
let camera: RtspServer;
let locked: RtspServer;

beforeAll(async () => {
  camera = await startRtspServer();
  locked = await startRtspServer({ username: 'li', password: 'a"b\\c' });
});
afterAll(async () => {
  await Promise.all([camera.stop(), locked.stop()]);
});
afterEach(() => {
  for (const each of open.splice(0)) each.close();
});

function source(url: string): NetworkSource {
  const parsed = new URL(url);
  return { protocol: 'rtsp', url: parsed, tls: false, ip: '127.0.0.1', port: Number(parsed.port) };
}

async function gateTo(url: string, credentials?: { username: string; password: string }): Promise<RtspGate> {
  const gate = await RtspGate.open(source(url), credentials);
  open.push(gate);
  return gate;
}

/** Frames that ffmpeg reads until it has enough or gives up. */
async function framesRead(url: string, enough = 30): Promise<number> {
  const input = ['-nostdin', '-protocol_whitelist', 'tcp', '-rtsp_transport', 'tcp', '-timeout', '3000000', '-i', url];
  const output = ['-map', '0:v:0', '-frames:v', String(enough), '-c', 'copy', '-f', 'framecrc', 'pipe:1'];
  const ffmpeg = spawn('ffmpeg', ['-v', 'quiet', ...input, ...output], { stdio: ['ignore', 'pipe', 'ignore'] });
  let lines = '';
  ffmpeg.stdout.on('data', (chunk) => {
    lines += chunk;
  });
  await once(ffmpeg, 'close');
  return lines.split('\n').filter((line) => /^0,/.test(line)).length;
}

/** A server that does with each connection what it is told. */
async function strange(act: (socket: Socket, request: string) => void) {
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    socket.on('error', () => socket.destroy());
    socket.on('data', (request) => act(socket, String(request)));
  });
  open.push(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as { port: number };
  return { url: `rtsp://127.0.0.1:${port}/camera`, connections: () => connections };
}

const answer = (request: string, status: string, ...headers: string[]) =>
  [`RTSP/1.0 ${status}`, `CSeq: ${/^CSeq: (\d+)/m.exec(request)?.[1]}`, ...headers, '', ''].join('\r\n');

describe('through the gate', () => {
  test('frames of a camera flow as without it', async () => {
    expect(await framesRead((await gateTo(camera.url)).url)).toBe(30);
  });

  test('a camera that asks for a password is signed in to, and ffmpeg never knows the password', async () => {
    const gate = await gateTo(locked.url, { username: 'li', password: 'a"b\\c' });
    expect(await framesRead(gate.url)).toBe(30);
    expect(gate.url).not.toContain('li');
  });

  test.each([undefined, { username: 'li', password: 'wrong' }])('no frame flows with credentials %j', async (wrong) => {
    const gate = await gateTo(locked.url, wrong);
    expect(await framesRead(gate.url)).toBe(0);
    expect(gate.failure).toBe('unauthorised');
  });

  test('one client comes, once', async () => {
    const gate = await gateTo(camera.url);
    expect(await framesRead(gate.url)).toBe(30);
    expect(await framesRead(gate.url)).toBe(0);
  });
});

describe('a hostile source', () => {
  test.each(['OPTIONS', 'DESCRIBE'])('that redirects at %s leads nowhere', async (at) => {
    const victim = await strange((socket) => socket.destroy());
    const redirecting = await strange((socket, request) =>
      socket.write(
        request.startsWith(at)
          ? answer(request, '302 Moved', `Location: ${victim.url}`)
          : answer(request, '200 OK', 'Public: OPTIONS, DESCRIBE'),
      ),
    );
    const gate = await gateTo(redirecting.url);
    expect(await framesRead(gate.url)).toBe(0);
    expect(gate.failure).toBe('redirected');
    expect(victim.connections()).toBe(0);
    // Control: without the gate ffmpeg goes wherever it is sent.
    await framesRead(redirecting.url);
    expect(victim.connections()).toBeGreaterThan(0);
  });

  test('that sends noise is cut off', async () => {
    const noisy = await strange((socket) => socket.write(Buffer.alloc(65_536, 0xff)));
    const gate = await gateTo(noisy.url);
    expect(await framesRead(gate.url)).toBe(0);
    expect(gate.failure).toBe('garbage');
  });

  test('that answers what was never asked is not heard', async () => {
    const babbling = await strange((socket) =>
      socket.write('RTSP/1.0 302 Moved\r\nCSeq: 999\r\nLocation: rtsp://x/\r\n\r\n'),
    );
    const gate = await gateTo(babbling.url);
    expect(await framesRead(gate.url)).toBe(0);
    expect(gate.failure).toBeUndefined();
  });

  test('that is not there is unreachable', async () => {
    const gone = await strange(() => undefined);
    (open.pop() as Server).close();
    const gate = await gateTo(gone.url);
    expect(await framesRead(gate.url)).toBe(0);
    expect(gate.failure).toBe('unreachable');
  });
});

describe('an RTSP connection', () => {
  const frame = (bytes: number) =>
    Buffer.concat([Buffer.from([0x24, 0, bytes >> 8, bytes & 0xff]), Buffer.alloc(bytes, 0x52)]);
  const message = 'RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 4\r\n\r\n$abc';

  test('is taken apart the same however its bytes arrive', () => {
    const stream = Buffer.concat([
      Buffer.from(message),
      frame(0),
      frame(1_400),
      Buffer.from(`\r\n${message}`),
      frame(3),
    ]);
    fc.assert(
      fc.property(fc.array(fc.nat(stream.length), { maxLength: 30 }), (cuts) => {
        const splitter = new RtspSplitter();
        const at = [0, ...cuts.sort((a, b) => a - b), stream.length];
        const parts = at.slice(1).flatMap((end, i) => splitter.push(stream.subarray(at[i]!, end)));
        const media = parts.flatMap((part) => (part.kind === 'frames' ? [part.bytes] : []));
        expect(Buffer.concat(media).equals(Buffer.concat([frame(0), frame(1_400), frame(3)]))).toBe(true);
        expect(parts.flatMap((part) => (part.kind === 'message' ? [String(part.body)] : []))).toEqual(['$abc', '$abc']);
      }),
    );
  });

  test.each([
    '\0',
    'rtsp',
    `RTSP/1.0 200 OK\r\nX: ${'x'.repeat(20_000)}`,
    'RTSP/1.0 200 OK\r\nContent-Length: 999999\r\n\r\n',
  ])('that is none is refused: %#', (bytes) => {
    expect(() => new RtspSplitter().push(Buffer.from(bytes))).toThrow(RtspError);
  });
});

describe('an answer to a challenge', () => {
  test('goes to the strongest digest offered; what cannot be answered is not', () => {
    const authorization = new SourceAuthorization({ username: 'Mufasa', password: 'Circle of Life' });
    const realm = 'realm="http-auth@example.org", nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"';
    const challenges = ['Basic realm="x"', `Digest ${realm}, algorithm=MD5`, `Digest ${realm}, algorithm=SHA-256`];
    expect(authorization.challenged(challenges)).toBe(true);
    expect(authorization.header('GET', '/dir/index.html')).toMatch(/^Digest username="Mufasa".*algorithm=SHA-256/);
    expect(authorization.challenged(['Digest realm="a"', 'Bearer', ''])).toBe(false);
  });

  test('gives the password itself away only where nothing else is understood', () => {
    const authorization = new SourceAuthorization({ username: 'li', password: 'p' });
    authorization.challenged(['Basic realm="x"', 'Digest realm="x", nonce="n"']);
    expect(authorization.header('GET', '/')).toMatch(/^Digest /);
    authorization.challenged(['Basic realm="x"']);
    expect(authorization.header('GET', '/')).toBe(`Basic ${Buffer.from('li:p').toString('base64')}`);
  });
});
