import { existsSync } from 'node:fs';
import { KurrentDBClient, UnsupportedError } from '@kurrent/kurrentdb-client';
import { grpcCode, isDenied, isSilence } from './kurrent-errors.js';

const UNIMPLEMENTED = 12;
/** INVALID_ARGUMENT, FAILED_PRECONDITION: what a server says of an append of nothing that it knows how to make. */
const EMPTY_REFUSED = [3, 9];

/** A new client is not made more often: each opens connections of its own. */
const RENEWAL_MS = 500;

/**
 * The vendor's client for an address. It finds the leader among several nodes when it begins; its appends stay with
 * that node even when another one leads, its reads even when the node is gone, so a new one is made then.
 */
export class Connection {
  #client: KurrentDBClient;
  #madeAt = Number.NEGATIVE_INFINITY;

  private constructor(private readonly url: string) {
    this.#client = clientOf(url);
  }

  /** @throws Error in one sentence when the server is away, refuses the credentials, or is too old */
  static async open(url: string, check: (connection: Connection) => Promise<unknown>): Promise<Connection> {
    let connection: Connection | undefined;
    try {
      connection = new Connection(url);
      await appendsToSeveral(connection.client);
      await check(connection);
      return connection;
    } catch (error) {
      await connection?.close().catch(() => {});
      throw sentenceOf(error);
    }
  }

  get client(): KurrentDBClient {
    return this.#client;
  }

  /** Looks for the leader anew. Whoever follows by the old client is cut off and comes back by the new one. */
  async renew(old: KurrentDBClient): Promise<void> {
    const now = performance.now();
    if (old !== this.#client || now - this.#madeAt < RENEWAL_MS) return; // somebody else was quicker
    this.#madeAt = now;
    this.#client = clientOf(this.url);
    await old.dispose();
  }

  async close(): Promise<void> {
    await this.#client.dispose();
  }
}

/**
 * The client reads files and says of a missing one neither which nor whose; the half of it that reads takes a password
 * as it stands in the address, with its percent signs, so it is given decoded.
 */
function clientOf(url: string): KurrentDBClient {
  for (const [, encoded] of url.matchAll(/[?&](?:tlsCAFile|userCertFile|userKeyFile)=([^&]+)/gi)) {
    const file = decodeURIComponent(encoded!);
    if (!existsSync(file)) throw new Error(`MINGJING_EVENT_STORE names a file that is not there: ${file}`);
  }
  const client = KurrentDBClient.connectionString(url.replace(/^esdb/, 'kurrentdb')); // the old name prints a warning
  const [, username, password] = /^[^:]+:\/\/([^:@/]+):([^@/]+)@/.exec(url) ?? [];
  if (username !== undefined && password !== undefined) {
    const credentials = { username: decodeURIComponent(username), password: decodeURIComponent(password) };
    client.setCredentialsProvider(async () => credentials);
  }
  return client;
}

/** An append of nothing: refused by the client for a server that has no multi-stream append, else by the server. */
async function appendsToSeveral(client: KurrentDBClient): Promise<void> {
  try {
    await client.multiStreamAppend([]);
  } catch (error) {
    const code = grpcCode(error);
    if (error instanceof UnsupportedError || code === UNIMPLEMENTED) {
      throw new Error('this KurrentDB cannot append to several streams at once; 25.1 or newer is needed.', {
        cause: error,
      });
    }
    if (!EMPTY_REFUSED.includes(code ?? -1)) throw error;
  }
}

function sentenceOf(error: unknown): Error {
  const said =
    error instanceof Error ? `${error.message} ${String((error as { cause?: unknown }).cause ?? '')}` : String(error);
  const sentence = (text: string) => new Error(text, { cause: error });
  if (isDenied(error)) return sentence('KurrentDB refuses these credentials: see MINGJING_EVENT_STORE.');
  if (/certificate has expired|CERT_HAS_EXPIRED|certificateexpired/i.test(said)) {
    return sentence('the certificate of KurrentDB has expired.');
  }
  if (/certificate required|certificaterequired|certificateunknown|handshake failure/i.test(said)) {
    return sentence('KurrentDB wants a certificate from its users: see userCertFile and userKeyFile.');
  }
  if (/certificate|\btls\b|\bssl\b/i.test(said)) {
    return sentence('the TLS of KurrentDB and of MINGJING_EVENT_STORE do not fit (tls, tlsCAFile).');
  }
  if (isSilence(error) || /does not answer/.test(said)) {
    return sentence('KurrentDB does not answer: see MINGJING_EVENT_STORE.');
  }
  return error instanceof Error ? error : new Error(said);
}

/** Does what takes an administrator, whose name and password stand in the address. */
export async function asAdmin(url: string, act: (client: KurrentDBClient) => Promise<void>): Promise<void> {
  const connection = await Connection.open(url, async () => undefined);
  try {
    await act(connection.client);
  } finally {
    await connection.close();
  }
}
