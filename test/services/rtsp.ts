import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';

/** A running RTSP server with one camera, 640 × 360, 25 frames a second, a key frame a second. */
export interface RtspServer {
  readonly url: string;
  readonly port: number;
  /** Ends it at once, as a camera that loses its power does. */
  stop(): Promise<void>;
}

/**
 * Starts GStreamer's RTSP server on the loopback interface.
 * @throws Error with the server's own words when it cannot start
 */
export async function startRtspServer(
  options: {
    readonly port?: number;
    readonly codec?: 'h264' | 'h265';
    readonly username?: string;
    readonly password?: string;
  } = {},
): Promise<RtspServer> {
  const { port = 0, codec = 'h264', username, password } = options;
  const script = join(packageRoot(), 'test/services/rtsp_server.py');
  const login = username === undefined ? [] : [username, password ?? ''];
  // The system's Python: GStreamer's bindings come with it and with no other.
  const server = spawn('/usr/bin/python3', [script, String(port), codec, ...login], { stdio: 'pipe' });
  let said = '';
  server.stderr.on('data', (chunk) => {
    said = (said + chunk).slice(-4_000);
  });
  const exited = once(server, 'exit');
  const line = await Promise.race([once(createInterface(server.stdout), 'line'), exited.then(() => undefined)]);
  if (line === undefined) throw new Error(`the RTSP server did not start: ${said}`);
  const bound = Number(line[0]);
  return {
    url: `rtsp://127.0.0.1:${bound}/camera`,
    port: bound,
    stop: async () => {
      server.kill('SIGKILL');
      await exited;
    },
  };
}

/** Folder of package.json: the script lies beside its source, not beside what is compiled from it. */
function packageRoot(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
}
