import { readFileSync } from 'node:fs';
import pg from 'pg';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../libs/platform/embedded-postgres.js';
import type { KurrentStandIn } from '../services/kurrentdb/stand-in.js';

/** An event as it stands in the store, read past the hub. */
interface Standing {
  readonly type: string;
  readonly data: Record<string, unknown>;
}

/** Ways in which a store can be away. */
export const OUTAGES = ['hangs', 'is stopped'] as const;
type Outage = (typeof OUTAGES)[number];

/** The store of events in the hands of a test. */
export interface StoreInHand {
  onRecord(stream: string): Promise<readonly Standing[]>;
  /** Reads go on, appends wait, as long as the action takes. */
  whileAppendsWait(act: () => Promise<void>): Promise<void>;
  begin(outage: Outage): Promise<void>;
  end(outage: Outage): Promise<void>;
}

/** @param dataDir folder of the server */
export async function postgresInHand(
  dataDir: string,
): Promise<StoreInHand & { readonly server: EmbeddedPostgres; stop(): Promise<void> }> {
  let server = await startEmbeddedPostgres({ dataDir });
  const asOwner = async <T>(act: (client: pg.Client) => Promise<T>): Promise<T> => {
    const client = new pg.Client({ connectionString: server.ownerUrl });
    await client.connect();
    return act(client).finally(() => client.end());
  };
  const signal = (name: NodeJS.Signals) => {
    for (const pid of processesOf(server)) process.kill(pid, name);
  };
  return {
    get server() {
      return server;
    },
    onRecord: (stream) =>
      asOwner(async (client) => {
        const sql = 'SELECT type, data FROM event_store.event WHERE stream = $1 ORDER BY position';
        const { rows } = await client.query<{ type: string; data: string }>(sql, [stream]);
        return rows.map(({ type, data }) => ({ type, data: JSON.parse(data) as Record<string, unknown> }));
      }),
    whileAppendsWait: (act) =>
      asOwner(async (client) => {
        await client.query('BEGIN');
        await client.query('LOCK TABLE event_store.event IN EXCLUSIVE MODE');
        await act();
        await client.query('ROLLBACK');
      }),
    begin: async (outage) => (outage === 'hangs' ? signal('SIGSTOP') : server.stop()),
    end: async (outage) => {
      if (outage === 'hangs') return signal('SIGCONT');
      server = await startEmbeddedPostgres({ dataDir, port: Number(new URL(server.serviceUrl).port) });
    },
    stop: () => server.stop(),
  };
}

/** Processes of the server; its backends have process groups of their own. */
function processesOf({ pid }: EmbeddedPostgres): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return [pid, ...children.split(' ').filter(Boolean).map(Number)];
}

export function kurrentInHand(standIn: KurrentStandIn): StoreInHand {
  const { faults } = standIn;
  return {
    onRecord: async (stream) =>
      standIn.log.stream(stream).map(({ type, data }) => ({
        type,
        data: JSON.parse(data.toString('utf8')) as Record<string, unknown>,
      })),
    whileAppendsWait: async (act) => {
      faults.held = 'appends';
      await act();
      faults.held = 'nothing';
    },
    begin: async (outage) => {
      if (outage === 'hangs') faults.held = 'everything';
      else await standIn.goDown();
    },
    end: async (outage) => {
      if (outage === 'hangs') faults.held = 'nothing';
      else await standIn.comeBack();
    },
  };
}
