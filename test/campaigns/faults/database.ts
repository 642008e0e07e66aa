import { readFileSync } from 'node:fs';
import { freePort } from '#libs/platform';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../../libs/platform/embedded-postgres.js';
import { startTcpFaultProxy, type TcpFaultProxy } from '../../services/tcp-fault-proxy.js';

/** The PostgreSQL of the campaign, with a line in front of it. */
export class Database {
  #postgres: EmbeddedPostgres | undefined;

  private constructor(
    private readonly dataDir: string,
    private readonly port: number,
    /** What the services go through. */
    readonly line: TcpFaultProxy,
  ) {}

  static async start(dataDir: string): Promise<Database> {
    const port = await freePort();
    const database = new Database(dataDir, port, await startTcpFaultProxy(() => port));
    await database.startAgain();
    return database;
  }

  get #running(): EmbeddedPostgres {
    if (this.#postgres === undefined) throw new Error('the database does not run');
    return this.#postgres;
  }

  /** Past the line, as owner: for those who compare. */
  get ownerUrl(): string {
    return this.#running.ownerUrl;
  }

  /** Through the line, as the role that the services' own roles are derived from. */
  get serviceUrl(): string {
    return throughPort(this.#running.serviceUrl, this.line.port);
  }

  /** As owner through the line. */
  get ownerUrlThroughLine(): string {
    return throughPort(this.#running.ownerUrl, this.line.port);
  }

  /** SIGKILL to the server and all its children: none of them writes anything more. */
  async kill(): Promise<void> {
    const { pid, ended } = this.#running;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
    for (const each of [pid, ...children]) {
      try {
        process.kill(each, 'SIGKILL');
      } catch {
        // it has ended
      }
    }
    await ended;
  }

  /** Resolves when the server has ended, whoever ended it. */
  async ended(): Promise<void> {
    await this.#running.ended;
  }

  /** On the same data and port. */
  async startAgain(): Promise<void> {
    this.#postgres = await startEmbeddedPostgres({ dataDir: this.dataDir, port: this.port });
  }

  async stop(): Promise<void> {
    await this.#postgres?.stop();
    await this.line.close();
  }
}

function throughPort(url: string, port: number): string {
  const parsed = new URL(url);
  parsed.port = String(port);
  return parsed.href;
}
