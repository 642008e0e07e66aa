import { request as httpRequest, type IncomingMessage } from 'node:http';
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { SourceAuthorization, type SourceCredentials } from './authorization.js';
import type { NetworkSource } from './source-address.js';

/** Why a source gives no video. */
export const SOURCE_FAILURES = [
  'not-allowed',
  'credentials-unavailable',
  'unreachable',
  'unauthorised',
  'redirected',
  'no-video',
  'garbage',
  'timed-out',
  'ended',
  'stalled',
  'storage-failed',
  'clock-stepped-back',
] as const;

export type SourceFailure = (typeof SOURCE_FAILURES)[number];

/** A source gives no video: expected, said by a short code, never with the address or credentials. */
export class SourceError extends Error {
  override readonly name = 'SourceError';

  constructor(readonly failure: SourceFailure) {
    super(failure);
  }
}

const CONNECT_MS_MAX = 5_000;
const RESPONSE_MS_MAX = 5_000;

/**
 * Fetches an HTTP source: its body, as long as it flows. Redirections are not followed.
 * @throws SourceError
 */
export async function fetchHttp(
  source: NetworkSource,
  credentials: SourceCredentials | undefined,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const authorization = credentials && new SourceAuthorization(credentials);
  const path = `${source.url.pathname}${source.url.search}`;
  for (let attempt = 0; ; attempt += 1) {
    const response = await get(source, path, authorization?.header('GET', path), signal);
    const status = response.statusCode ?? 0;
    if (status === 200) return response;
    response.destroy();
    const challenges = response.headersDistinct['www-authenticate'] ?? [];
    if (status === 401 && attempt === 0 && authorization?.challenged(challenges)) continue;
    if (status === 401 || status === 403) throw new SourceError('unauthorised');
    throw new SourceError(status >= 300 && status < 400 ? 'redirected' : 'unreachable');
  }
}

async function get(
  source: NetworkSource,
  path: string,
  authorization: string | undefined,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const socket = await connectTo(source);
  return new Promise((resolve, reject) => {
    const fail = (failure: SourceFailure) => {
      clearTimeout(timer);
      socket.destroy();
      reject(new SourceError(failure));
    };
    const timer = setTimeout(() => fail('timed-out'), RESPONSE_MS_MAX);
    const request = httpRequest({
      createConnection: () => socket,
      signal,
      path,
      headers: { host: source.url.host, accept: '*/*', ...(authorization === undefined ? {} : { authorization }) },
    });
    request.on('error', ({ code }: NodeJS.ErrnoException) =>
      fail(code?.startsWith('HPE_') ? 'garbage' : 'unreachable'),
    );
    request.on('response', (response) => {
      clearTimeout(timer);
      // What breaks later ends the stream; whoever reads it sees that.
      response.on('error', () => {});
      resolve(response);
    });
    request.end();
  });
}

/** Connects to the address that was checked, whatever its name resolves to by now; a certificate must fit the name. */
function connectTo({ ip, port, tls, url }: NetworkSource): Promise<Socket> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return new Promise((resolve, reject) => {
    const socket = tls
      ? connectTls({ host: ip, port, ...(isIP(host) === 0 ? { servername: host } : {}) })
      : connect({ host: ip, port });
    const giveUp = () => {
      clearTimeout(timer);
      socket.destroy();
      reject(new SourceError('unreachable'));
    };
    const timer = setTimeout(giveUp, CONNECT_MS_MAX);
    socket.once('error', giveUp);
    socket.once(tls ? 'secureConnect' : 'connect', () => {
      clearTimeout(timer);
      socket.off('error', giveUp);
      resolve(socket);
    });
  });
}
