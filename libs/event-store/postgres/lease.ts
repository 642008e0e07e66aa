/** One database connection over which statements run one after the other. */
export interface Session {
  query(text: string, values: readonly unknown[]): Promise<Record<string, unknown>[]>;
}

/** Another process has taken over: what this one was about to store is refused. */
export class FencedError extends Error {
  override readonly name = 'FencedError';
}

/** After so long without a heartbeat a holder may be taken over although its connection stands. */
const STALE = '20 seconds';

/**
 * The right to advance a stored position, one holder at a time.
 *
 * Each take-over raises the epoch in the row, and a position is stored only under the holder's own epoch. The holder
 * also keeps an advisory lock named after its epoch for as long as its connection lives: whoever gets that lock knows
 * that the holder is gone and need not wait for its heartbeat to grow stale. A holder that hangs with its connection
 * open is taken over by the heartbeat, and fenced by the epoch should it wake.
 */
export class Lease {
  private constructor(
    readonly session: Session,
    readonly table: string,
    readonly name: string,
    readonly epoch: string,
    /** The stored position. */
    private stored: bigint,
  ) {}

  /**
   * @param table columns name, position, epoch, heartbeat; named by us, never by a caller
   * @param from position of a row that does not exist yet
   * @returns the lease, or the position stored by the process that holds it
   */
  static async tryTake(session: Session, table: string, name: string, from: bigint): Promise<Lease | bigint> {
    await session.query(`INSERT INTO ${table} (name, position) VALUES ($1, $2) ON CONFLICT DO NOTHING`, [name, from]);
    const [row] = await session.query(
      `SELECT position, epoch, heartbeat < now() - interval '${STALE}' AS stale FROM ${table} WHERE name = $1`,
      [name],
    );
    const { position, epoch, stale } = row as { position: string; epoch: string; stale: boolean };
    const gone = await lock(session, table, name, BigInt(epoch));
    if (!gone && !stale) return BigInt(position);
    const next = BigInt(epoch) + 1n;
    try {
      if (!(await lock(session, table, name, next))) return BigInt(position);
      const taken = await session.query(
        `UPDATE ${table} SET epoch = $3, heartbeat = now() WHERE name = $1 AND epoch = $2 RETURNING position`,
        [name, epoch, next],
      );
      const won = taken[0];
      if (won) return new Lease(session, table, name, String(next), BigInt(won.position as string));
      await unlock(session, table, name, next);
      return BigInt(position);
    } finally {
      if (gone) await unlock(session, table, name, BigInt(epoch));
    }
  }

  get position(): bigint {
    return this.stored;
  }

  /** Stores a position. @throws FencedError when another process has taken over; nothing is stored then */
  async advance(position: bigint): Promise<void> {
    const rows = await this.session.query(
      `UPDATE ${this.table} SET position = $4, heartbeat = now()
        WHERE name = $1 AND epoch = $2 AND position = $3 RETURNING position`,
      [this.name, this.epoch, this.stored, position],
    );
    if (rows.length === 0) throw new FencedError(`${this.name} was taken over by another process`);
    this.stored = position;
  }

  /** Says that the holder lives although its position stands still. */
  async beat(): Promise<void> {
    const rows = await this.session.query(
      `UPDATE ${this.table} SET heartbeat = now() WHERE name = $1 AND epoch = $2 RETURNING position`,
      [this.name, this.epoch],
    );
    if (rows.length === 0) throw new FencedError(`${this.name} was taken over by another process`);
  }

  /** Takes back an advance whose transaction was rolled back. */
  rolledBackTo(position: bigint): void {
    this.stored = position;
  }

  /** Lets another process take over at once. */
  async release(): Promise<void> {
    await this.session.query(`UPDATE ${this.table} SET heartbeat = '-infinity' WHERE name = $1 AND epoch = $2`, [
      this.name,
      this.epoch,
    ]);
    await unlock(this.session, this.table, this.name, BigInt(this.epoch));
  }
}

async function lock(session: Session, table: string, name: string, epoch: bigint): Promise<boolean> {
  const [row] = await session.query('SELECT pg_try_advisory_lock(hashtextextended($1, $2)) AS locked', [
    `lease ${table} ${name}`,
    epoch,
  ]);
  return row!.locked === true;
}

async function unlock(session: Session, table: string, name: string, epoch: bigint): Promise<void> {
  await session.query('SELECT pg_advisory_unlock(hashtextextended($1, $2))', [`lease ${table} ${name}`, epoch]);
}
