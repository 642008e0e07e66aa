import pg from 'pg';
import { BadMessageError, type HubEvent, type Message, readMessage, type Schemas } from './message.js';

const TABLES = `
  CREATE SCHEMA IF NOT EXISTS feed;
  CREATE TABLE IF NOT EXISTS feed.position (
    topic text, partition int, "offset" bigint NOT NULL, sequence bigint NOT NULL, PRIMARY KEY (topic, partition));
  CREATE TABLE IF NOT EXISTS feed.dead_letter (
    topic text, partition int, "offset" bigint, why text NOT NULL, key text NOT NULL, headers jsonb NOT NULL,
    value bytea NOT NULL, PRIMARY KEY (topic, partition, "offset"));
  CREATE TABLE IF NOT EXISTS feed.event (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, sequence bigint NOT NULL, type text NOT NULL, stream text NOT NULL, time timestamptz NOT NULL, data jsonb NOT NULL);
`;

/** What became of a message. */
export type Outcome = 'taken' | 'seen before' | 'dead letter';

/** Messages between the last one taken and the next one have been deleted before they were read. */
export class GapError extends Error {
  override readonly name = 'GapError';
}

/** The sequence of a message, also of one that is otherwise damaged. */
function sequenceOf({ headers }: Message): bigint | undefined {
  const text = headers.get('ce_sequence') ?? '';
  return /^[0-9]{19}$/.test(text) ? BigInt(text) : undefined;
}

/** What a department does with an event, in the transaction that also stores the position. Replace it by your own. */
export type Effect = (event: HubEvent, transaction: pg.ClientBase) => Promise<void>;

/** The example's effect: a list of what happened. */
export const listIt: Effect = async ({ sequence, type, stream, time, data }, transaction) => {
  await transaction.query('INSERT INTO feed.event (sequence, type, stream, time, data) VALUES ($1, $2, $3, $4, $5)', [
    sequence,
    type,
    stream,
    time,
    data,
  ]);
};

/**
 * Takes messages into a database: effect and position in one transaction, so that each event has its effect exactly
 * once, however often Kafka delivers it and wherever this process is killed.
 */
export class Ledger {
  readonly #pool: pg.Pool;

  constructor(
    url: string,
    private readonly schemas: Schemas,
    private readonly effect: Effect = listIt,
  ) {
    this.#pool = new pg.Pool({ connectionString: url, max: 4 });
    this.#pool.on('error', () => {}); // an idle connection was lost; the next question opens another
  }

  async open(): Promise<void> {
    await this.#pool.query(TABLES);
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }

  /** @throws GapError when messages before this one are missing */
  take(message: Message): Promise<{ readonly outcome: Outcome; readonly event?: HubEvent; readonly why?: string }> {
    return this.#transaction(async (transaction) => {
      // 1. The position, locked: a second process that was given the same partition waits here
      const { topic, partition, offset } = message;
      const place = [topic, partition];
      await transaction.query(`INSERT INTO feed.position VALUES ($1, $2, -1, 0) ON CONFLICT DO NOTHING`, place);
      const { rows } = await transaction.query<{ offset: string; sequence: string }>(
        'SELECT "offset", sequence FROM feed.position WHERE topic = $1 AND partition = $2 FOR UPDATE',
        place,
      );
      const last = { offset: BigInt(rows[0]!.offset), sequence: BigInt(rows[0]!.sequence) };

      // 2. What has been seen is dropped: delivered again by Kafka (same offset) or sent again by the hub (same sequence)
      const sequence = sequenceOf(message);
      const newer = sequence === undefined || sequence > last.sequence;
      if (offset <= last.offset && sequence !== undefined && newer) {
        throw new GapError(
          `${topic}/${partition}: the topic was made anew; empty feed.position to read it from its start`,
        );
      }
      if (offset <= last.offset) return { outcome: 'seen before' };
      if (last.offset >= 0n && offset > last.offset + 1n) {
        throw new GapError(
          `${topic}/${partition}: messages ${last.offset + 1n} to ${offset - 1n} were deleted before they were read; ` +
            'read what is missing through the API of the hub, then set feed.position to go on',
        );
      }
      await transaction.query(
        'UPDATE feed.position SET "offset" = $3, sequence = greatest(sequence, $4) WHERE topic = $1 AND partition = $2',
        [...place, offset, sequence ?? 0n],
      );
      if (!newer) return { outcome: 'seen before' };

      // 3. Effect
      try {
        const event = readMessage(message, this.schemas);
        await this.effect(event, transaction);
        return { outcome: 'taken', event };
      } catch (error) {
        if (!(error instanceof BadMessageError)) throw error;
        await this.#bury(message, error.message, transaction);
        return { outcome: 'dead letter', why: error.message };
      }
    });
  }

  /** Tries the dead letters again, oldest first; those that are still bad stay. @returns how many were taken */
  async replay(): Promise<number> {
    const { rows } = await this.#pool.query<{ topic: string; partition: number; offset: string }>(
      'SELECT topic, partition, "offset" FROM feed.dead_letter ORDER BY topic, partition, "offset"',
    );
    let taken = 0;
    for (const { topic, partition, offset } of rows) {
      await this.#transaction(async (transaction) => {
        const deleted = await transaction.query<{ key: string; headers: Record<string, string>; value: Buffer }>(
          `DELETE FROM feed.dead_letter WHERE topic = $1 AND partition = $2 AND "offset" = $3
            RETURNING key, headers, value`,
          [topic, partition, offset],
        );
        const letter = deleted.rows[0];
        if (letter === undefined) return;
        const headers = new Map(Object.entries(letter.headers));
        const message = { ...letter, topic, partition, offset: BigInt(offset), headers };
        try {
          await this.effect(readMessage(message, this.schemas), transaction);
          taken += 1;
        } catch (error) {
          if (!(error instanceof BadMessageError)) throw error;
          await this.#bury(message, error.message, transaction);
        }
      });
    }
    return taken;
  }

  async #bury({ topic, partition, offset, key, headers, value }: Message, why: string, transaction: pg.ClientBase) {
    const row = [topic, partition, offset, why, key, Object.fromEntries(headers), value];
    await transaction.query('INSERT INTO feed.dead_letter VALUES ($1, $2, $3, $4, $5, $6, $7)', row);
  }

  async #transaction<T>(work: (transaction: pg.ClientBase) => Promise<T>): Promise<T> {
    const client = await this.#pool.connect();
    let broken = false;
    try {
      await client.query('BEGIN');
      const result = await work(client);
      await client.query('COMMIT');
      return result;
    } catch (error) {
      await client.query('ROLLBACK').catch(() => {
        broken = true;
      });
      throw error;
    } finally {
      client.release(broken);
    }
  }
}
