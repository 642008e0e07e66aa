import { createServer, type Server, type Socket, connect as tcpConnect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** What goes wrong on the way. */
export type TcpFault =
  /** Standing connections are reset, new ones as soon as they are made. */
  | { readonly kind: 'cut' }
  /** Connections stand and can be made, but nothing arrives any more: a machine or a line that has gone without a word. */
  | { readonly kind: 'silent' }
  /** As silent, one way only: what is asked arrives, the answers do not. */
  | { readonly kind: 'half-open' }
  /** Everything arrives, late and in small pieces. */
  | { readonly kind: 'slow'; readonly delayMs: number; readonly bytesPerSecond: number };

/** A door in front of a server on this machine, through which everything goes as long as no fault is set. */
export interface TcpFaultProxy {
  /** Where clients connect, on 127.0.0.1. */
  readonly port: number;
  /** Connections that stand at this moment. */
  readonly connections: number;
  /**
   * Begins a fault; the last one ends. What a silent line held back arrives when it ends, as TCP does.
   * @param of which connections, by the first bytes that their client sent (database role, name of the application)
   */
  fail(fault: TcpFault, of?: (hello: Buffer) => boolean): void;
  heal(): void;
  close(): Promise<void>;
}

/** What one read of a slow line brings at most. */
const PIECE_BYTES_MAX = 4_096;

/** @param target port on 127.0.0.1, asked at each connection; nobody need listen there yet */
export async function startTcpFaultProxy(target: () => number): Promise<TcpFaultProxy> {
  const line = new Line(target);
  const port = await line.listen();
  return {
    port,
    get connections() {
      return line.connections.size;
    },
    fail: (fault, of = () => true) => line.fail(fault, of),
    heal: () => line.heal(),
    close: () => line.close(),
  };
}

class Line {
  readonly connections = new Set<Connection>();
  readonly #server: Server;
  #fault: TcpFault | undefined;
  #of: (hello: Buffer) => boolean = () => true;
  #changed = Promise.withResolvers<void>();

  constructor(readonly target: () => number) {
    this.#server = createServer({ allowHalfOpen: true }, (client) => this.#accept(client));
  }

  listen(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(0, '127.0.0.1', () => resolve((this.#server.address() as { port: number }).port));
    });
  }

  fail(fault: TcpFault, of: (hello: Buffer) => boolean): void {
    this.#is(fault, of);
    for (const connection of this.connections) if (this.faultOf(connection)?.kind === 'cut') connection.reset();
  }

  heal(): void {
    this.#is(undefined, () => true);
  }

  #is(fault: TcpFault | undefined, of: (hello: Buffer) => boolean): void {
    this.#fault = fault;
    this.#of = of;
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  faultOf({ hello }: Connection): TcpFault | undefined {
    return this.#fault !== undefined && this.#of(hello) ? this.#fault : undefined;
  }

  /** Resolves when what was read may go on. */
  async passage(connection: Connection, towards: 'server' | 'client', bytes: number): Promise<void> {
    for (;;) {
      const fault = this.faultOf(connection);
      if (fault?.kind === 'slow') {
        await Promise.race([sleep(fault.delayMs + (bytes * 1_000) / fault.bytesPerSecond), this.#changed.promise]);
        return;
      }
      const held = fault?.kind === 'silent' || (fault?.kind === 'half-open' && towards === 'client');
      if (!held || connection.closed) return;
      await Promise.race([this.#changed.promise, connection.ended]);
    }
  }

  #accept(client: Socket): void {
    const connection = new Connection(this, client);
    this.connections.add(connection);
    void connection.ended.then(() => this.connections.delete(connection));
    if (this.faultOf(connection)?.kind === 'cut') connection.reset();
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const connection of this.connections) connection.reset();
    this.heal();
    await closed;
  }
}

class Connection {
  hello: Buffer = Buffer.alloc(0);
  closed = false;
  readonly ended: Promise<void>;
  readonly #end: () => void;
  readonly #server: Socket;

  constructor(
    private readonly line: Line,
    private readonly client: Socket,
  ) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    this.#end = () => {
      this.closed = true;
      resolve();
    };
    this.#server = tcpConnect({ port: line.target(), host: '127.0.0.1', allowHalfOpen: true });
    for (const socket of [client, this.#server]) {
      socket.setNoDelay(true);
      socket.on('error', () => this.reset());
      socket.on('close', () => {
        if (client.destroyed && this.#server.destroyed) this.#end();
      });
    }
    void this.#carry(client, this.#server, 'server');
    void this.#carry(this.#server, client, 'client');
  }

  reset(): void {
    if (this.closed) return;
    this.#end();
    this.client.resetAndDestroy();
    this.#server.resetAndDestroy();
  }

  async #carry(from: Socket, to: Socket, towards: 'server' | 'client'): Promise<void> {
    try {
      for await (const chunk of from as AsyncIterable<Buffer>) {
        if (towards === 'server' && this.hello.length === 0) {
          this.hello = chunk;
          if (this.line.faultOf(this)?.kind === 'cut') return this.reset();
        }
        for (let at = 0; at < chunk.length; ) {
          const piece = chunk.subarray(at, this.line.faultOf(this)?.kind === 'slow' ? at + PIECE_BYTES_MAX : undefined);
          await this.line.passage(this, towards, piece.length);
          if (this.closed) return;
          at += piece.length;
          if (!to.write(piece)) await Promise.race([new Promise((resolve) => to.once('drain', resolve)), this.ended]);
        }
      }
      await this.line.passage(this, towards, 0);
      to.end();
    } catch {
      this.reset();
    }
  }
}
