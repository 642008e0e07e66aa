import { setTimeout as sleep } from 'node:timers/promises';
import { type BaseOptions, Consumer, stringDeserializers } from '@platformatic/kafka';
import { GapError, type Ledger } from './ledger.js';

export interface FeedOptions {
  /** Addresses, TLS and SASL. */
  readonly connection: Omit<BaseOptions, 'clientId'>;
  readonly topic: string;
  /** Processes of one group share the partitions. */
  readonly group: string;
  readonly ledger: Ledger;
  readonly print: (line: string) => void;
  readonly signal: AbortSignal;
}

const RECONNECT_MS = 1_000;
/** Kafka is told every so often how far we are; the database knows it exactly. */
const COMMIT_MS = 1_000;
const PREFETCHED_MAX = 100;

/**
 * Follows the topic until the signal aborts, through outages of Kafka and of the database.
 * @throws GapError when messages were deleted before they were read: somebody must decide what to do
 */
export async function follow(options: FeedOptions): Promise<void> {
  const { signal, print } = options;
  let said = '';
  while (!signal.aborted) {
    try {
      await followOnce(options);
    } catch (error) {
      if (error instanceof GapError) throw error;
      const why = reasonOf(error);
      if (why !== said) print(`waiting: ${why}`);
      said = why;
      await sleep(RECONNECT_MS, undefined, { signal }).catch(() => {});
    }
  }
}

async function followOnce({ connection, topic, group, ledger, print, signal }: FeedOptions): Promise<void> {
  const consumer = new Consumer<string, Buffer, string, string>({
    ...connection,
    clientId: 'department-feed',
    groupId: group,
    deserializers: { ...stringDeserializers, value: (bytes?: Buffer) => bytes ?? Buffer.alloc(0) },
  });
  const done = new Map<number, bigint>();
  const commit = async () => {
    const offsets = [...done].map(([partition, offset]) => ({
      topic,
      partition,
      offset: offset + 1n,
      leaderEpoch: -1,
    }));
    done.clear();
    if (offsets.length > 0) await consumer.commit({ offsets });
  };
  try {
    await ledger.open();
    const stream = await consumer.consume({
      topics: [topic],
      mode: 'committed',
      fallbackMode: 'earliest',
      autocommit: false,
      highWaterMark: PREFETCHED_MAX,
    });
    const stop = () => void stream.destroy();
    signal.addEventListener('abort', stop, { once: true });
    consumer.on('error', (error: Error) => stream.destroy(error));
    let committed = performance.now();
    try {
      for await (const message of stream) {
        const { outcome, event, why } = await ledger.take(message);
        const where = `${message.partition}/${message.offset}`;
        if (outcome === 'taken') print(`${where} ${event?.time} ${event?.type} ${event?.stream}`);
        if (outcome === 'dead letter') print(`${where} dead letter: ${why}`);
        done.set(message.partition, message.offset);
        if (performance.now() - committed > COMMIT_MS) {
          await commit();
          committed = performance.now();
        }
      }
    } finally {
      signal.removeEventListener('abort', stop);
      stream.destroy();
      await commit().catch(() => {});
    }
  } finally {
    await consumer.close(true).catch(() => {});
  }
}

/** The innermost thing that is said about an error; the client wraps them in each other. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { errors } = error as { readonly errors?: readonly unknown[] };
  const inner = error.cause ?? errors?.[0];
  return inner === undefined ? error.message : reasonOf(inner);
}
