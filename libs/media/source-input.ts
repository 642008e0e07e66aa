import type { Readable } from 'node:stream';
import type { SourceCredentials } from './authorization.js';
import { RtspGate } from './rtsp-gate.js';
import type { CheckedSource, NetworkSource } from './source-address.js';
import { fetchHttp, SourceError, type SourceFailure } from './source-connection.js';

/** What ffmpeg and ffprobe are given so that they read a source, and only it. */
export interface SourceInput {
  /** Options up to and including `-i …`. */
  readonly args: readonly string[];
  /** File descriptor for standard input. */
  readonly descriptor?: number;
  /** To be piped into standard input. */
  readonly feed?: Readable;
  /** What our own side of the connection knows of a failure. */
  failure(): SourceFailure | undefined;
  close(): Promise<void>;
}

/** Containers that carry live video. No playlists: they name further addresses to fetch. */
const CONTAINERS = 'mpegts,flv,live_flv,mov,matroska,h264,hevc,mpeg';
const SILENCE_US_MAX = 8_000_000;
const nothing = async () => {};

/**
 * Connects to a source, or prepares what ffmpeg does itself (RTMP).
 * @throws SourceError
 */
export async function openInput(
  source: CheckedSource,
  credentials: SourceCredentials | undefined,
  signal: AbortSignal,
): Promise<SourceInput> {
  switch (source.protocol) {
    case 'rtsp': {
      const gate = await RtspGate.open(source, credentials);
      const transport = ['-rtsp_transport', 'tcp', '-timeout', String(SILENCE_US_MAX)];
      return {
        args: [...only('tcp,rtp', 'rtsp'), ...transport, '-i', gate.url],
        failure: () => gate.failure,
        close: async () => gate.close(),
      };
    }
    case 'rtmp':
      // They would stand in ffmpeg's argument list, for every user of the machine to read.
      if (credentials !== undefined) throw new SourceError('not-allowed');
      return { args: rtmpArguments(source), failure: () => undefined, close: nothing };
    case 'http': {
      const feed = await fetchHttp(source, credentials, signal);
      return {
        args: [...only('pipe', CONTAINERS), '-i', 'pipe:0'],
        feed,
        failure: () => undefined,
        close: async () => void feed.destroy(),
      };
    }
    case 'file':
      return {
        // The descriptor that was checked, opened anew because MP4 is read back and forth. A file stands for a camera:
        // it plays at its own speed, again and again.
        args: ['-re', '-stream_loop', '-1', ...only('file', CONTAINERS), '-i', '/dev/stdin'],
        descriptor: source.file.fd,
        failure: () => undefined,
        close: () => source.file.close(),
      };
  }
}

function only(protocols: string, formats: string): string[] {
  return ['-protocol_whitelist', protocols, '-format_whitelist', formats];
}

/** Connects to the checked IP; the server is told the name that the address has. */
function rtmpArguments({ url, ip, port, tls }: NetworkSource): string[] {
  const scheme = tls ? 'rtmps' : 'rtmp';
  const host = ip.includes(':') ? `[${ip}]` : ip;
  const application = `${scheme}://${url.host}${url.pathname.split('/').slice(0, 2).join('/')}`;
  return [
    ...only(tls ? 'rtmps,tls,tcp' : 'rtmp,tcp', 'flv,live_flv'),
    ...['-rw_timeout', String(SILENCE_US_MAX), '-rtmp_live', 'live', '-rtmp_tcurl', application],
    ...['-i', `${scheme}://${host}:${port}${url.pathname}${url.search}`],
  ];
}
