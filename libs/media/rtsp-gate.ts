import { connect, createServer, isIP, type Server, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { SourceAuthorization, type SourceCredentials } from './authorization.js';
import { headerOf, headersOf, type RtspMessage, RtspSplitter, writeMessage } from './rtsp-messages.js';
import type { NetworkSource } from './source-address.js';

/** Why a gate closed, where it knows. */
export type RtspGateFailure = 'unreachable' | 'unauthorised' | 'redirected' | 'garbage';

const CONNECT_MS_MAX = 5_000;
const PENDING_MAX = 32;

interface Pending {
  /** The client's number of the request. */
  readonly clientCSeq: string;
  readonly request: RtspMessage;
  readonly retried: boolean;
}

/**
 * The one way from ffmpeg to an RTSP source.
 *
 * ffmpeg follows an RTSP redirect to any host it names, past every check of the address; it takes transport options out
 * of the URL; and it wants credentials on its command line, where every user of the machine can read them. So it is
 * given a gate on loopback instead: the gate connects to the address that was checked and to no other, ends the
 * connection on a redirect, and signs in by itself. It serves one connection, once.
 */
export class RtspGate {
  readonly #authorization: SourceAuthorization | undefined;
  readonly #pending = new Map<string, Pending>();
  #server: Server | undefined;
  #client: Socket | undefined;
  #source: Socket | undefined;
  #cseq = 0;
  #url = '';
  #failure: RtspGateFailure | undefined;

  private constructor(
    private readonly to: NetworkSource,
    credentials: SourceCredentials | undefined,
  ) {
    this.#authorization = credentials && new SourceAuthorization(credentials);
  }

  /** Opens a gate; nothing is connected before ffmpeg connects. */
  static async open(to: NetworkSource, credentials?: SourceCredentials): Promise<RtspGate> {
    const gate = new RtspGate(to, credentials);
    await gate.#listen();
    return gate;
  }

  /** What ffmpeg is given; holds nothing of the source's address. */
  get url(): string {
    return this.#url;
  }

  get failure(): RtspGateFailure | undefined {
    return this.#failure;
  }

  close(): void {
    this.#server?.close();
    this.#client?.destroy();
    this.#source?.destroy();
    this.#pending.clear();
  }

  async #listen(): Promise<void> {
    const server = createServer((client) => this.#accept(client));
    this.#server = server;
    server.maxConnections = 1;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    const { port } = server.address() as { port: number };
    this.#url = `rtsp://127.0.0.1:${port}/source`;
  }

  #accept(client: Socket): void {
    if (this.#client !== undefined) {
      client.destroy();
      return;
    }
    this.#server?.close();
    this.#client = client;
    const source = this.#connect();
    this.#source = source;
    this.#join(client, source, (message) => this.#toSource(message));
    this.#join(source, client, (message) => this.#toClient(message));
  }

  #connect(): Socket {
    const { ip: host, port, tls, url } = this.to;
    const name = url.hostname.replace(/^\[|\]$/g, '');
    const source = tls
      ? connectTls({ host, port, ...(isIP(name) === 0 ? { servername: name } : {}) })
      : connect({ host, port });
    const timer = setTimeout(() => this.#fail('unreachable'), CONNECT_MS_MAX);
    const connected = tls ? 'secureConnect' : 'connect';
    source.once(connected, () => clearTimeout(timer));
    source.once('error', () => {
      if (source.bytesRead === 0) this.#failure ??= 'unreachable';
    });
    source.once('close', () => clearTimeout(timer));
    return source;
  }

  /** Carries one direction, as fast as the other end takes it. */
  #join(from: Socket, to: Socket, pass: (message: RtspMessage) => Buffer | undefined): void {
    const splitter = new RtspSplitter();
    from.on('data', (chunk: Buffer) => {
      const out: Buffer[] = [];
      try {
        for (const part of splitter.push(chunk)) {
          const bytes = part.kind === 'frames' ? part.bytes : pass(part);
          if (bytes !== undefined) out.push(bytes);
        }
      } catch {
        this.#fail('garbage');
      }
      if (out.length === 0 || to.destroyed) return;
      if (!to.write(Buffer.concat(out))) from.pause();
    });
    to.on('drain', () => from.resume());
    from.on('error', () => from.destroy());
    // What has been passed on is still delivered before the other end closes.
    from.on('close', () => to.end());
  }

  #toSource(message: RtspMessage): Buffer | undefined {
    const [method = '', uri = '', version = ''] = message.start.split(' ');
    // ffmpeg answers nothing but its own requests' replies; what is no request of its own is not passed on.
    if (!version.startsWith('RTSP/')) return undefined;
    if (this.#pending.size >= PENDING_MAX) {
      this.#fail('garbage');
      return undefined;
    }
    const real = uri.startsWith(this.#url) ? this.to.url.href + uri.slice(this.#url.length) : uri;
    const request = { ...message, start: `${method} ${real} ${version}` };
    return this.#send({ clientCSeq: headerOf(message.headers, 'cseq') ?? '', request, retried: false });
  }

  #send(pending: Pending): Buffer {
    this.#cseq += 1;
    const cseq = String(this.#cseq);
    this.#pending.set(cseq, pending);
    const [method = '', uri = ''] = pending.request.start.split(' ');
    return writeMessage(pending.request, { CSeq: cseq, Authorization: this.#authorization?.header(method, uri) });
  }

  #toClient(message: RtspMessage): Buffer | undefined {
    const status = /^RTSP\/\d\.\d (\d{3})/.exec(message.start)?.[1];
    // A request of the source: REDIRECT moves the client elsewhere, nothing else is needed.
    if (status === undefined) return undefined;
    const cseq = headerOf(message.headers, 'cseq') ?? '';
    const pending = this.#pending.get(cseq);
    if (pending === undefined) return undefined;
    if (status !== '100') this.#pending.delete(cseq);
    if (status.startsWith('3')) {
      this.#fail('redirected');
      return undefined;
    }
    if (status === '401') {
      if (!pending.retried && this.#authorization?.challenged(headersOf(message.headers, 'www-authenticate'))) {
        this.#source?.write(this.#send({ ...pending, retried: true }));
        return undefined;
      }
      this.#failure ??= 'unauthorised';
    }
    return writeMessage(message, { CSeq: pending.clientCSeq });
  }

  #fail(failure: RtspGateFailure): void {
    this.#failure ??= failure;
    this.close();
  }
}
