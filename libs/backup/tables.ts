import type pg from 'pg';
import { DamagedBackupError } from './archive.js';

/** Every value as the text that PostgreSQL writes and reads back without loss. */
const AS_TEXT = { getTypeParser: () => (text: string) => text };
/** A thousand events of the largest size are 64 MiB. */
const ROWS_AT_ONCE = 1_000;

/** One row, in the order of the columns. */
type Row = readonly (string | null)[];

interface Column {
  readonly name: string;
  readonly type: string;
}

/** A table as the backup takes it: the columns that somebody writes, in an order that does not change. */
export interface Table {
  /** With its schema; named by us, never by a caller. */
  readonly name: string;
  readonly columns: readonly Column[];
  readonly orderBy: string;
}

/** @returns undefined when there is no such table */
export async function describeTable(client: pg.Client, name: string, orderBy: string): Promise<Table | undefined> {
  const { rows } = await client.query<Column>(
    `SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute
      WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum`,
    [name],
  );
  return rows.length === 0 ? undefined : { name, columns: rows, orderBy };
}

/** All rows of a table inside the transaction under way, so many at a time. */
export async function* readRows(client: pg.Client, { name, columns, orderBy }: Table): AsyncGenerator<readonly Row[]> {
  const list = columns.map((column) => client.escapeIdentifier(column.name)).join(', ');
  await client.query(`DECLARE backup NO SCROLL CURSOR FOR SELECT ${list} FROM ${name} ORDER BY ${orderBy}`);
  for (;;) {
    const query = { text: `FETCH ${ROWS_AT_ONCE} FROM backup`, rowMode: 'array' as const, types: AS_TEXT };
    const { rows } = await client.query<(string | null)[]>(query);
    if (rows.length > 0) yield rows;
    if (rows.length < ROWS_AT_ONCE) break;
  }
  await client.query('CLOSE backup');
}

/** One row as a line of a backup. */
export function lineOf(row: Row): string {
  return `${JSON.stringify(row)}\n`;
}

/**
 * Inserts lines of a backup into a table, so many at a time.
 * @throws DamagedBackupError when a line is no row of the table
 */
export async function loadRows(client: pg.Client, table: Table, lines: AsyncIterable<string>): Promise<number> {
  let loaded = 0;
  let batch: Row[] = [];
  const insert = insertOf(client, table);
  const flush = async () => {
    await client.query({ ...insert, values: table.columns.map((_, i) => batch.map((row) => row[i])) });
    loaded += batch.length;
    batch = [];
  };
  for await (const line of lines) {
    const row = JSON.parse(line) as unknown;
    if (!Array.isArray(row) || row.length !== table.columns.length) {
      throw new DamagedBackupError(
        `The backup is damaged: row ${loaded + batch.length + 1} of ${table.name} is no row.`,
      );
    }
    batch.push(row as Row);
    if (batch.length === ROWS_AT_ONCE) await flush();
  }
  if (batch.length > 0) await flush();
  return loaded;
}

function insertOf(client: pg.Client, { name, columns }: Table): { name: string; text: string } {
  const names = columns.map((column) => client.escapeIdentifier(column.name)).join(', ');
  const texts = columns.map((_, i) => `$${i + 1}::text[]`).join(', ');
  const aliases = columns.map((_, i) => `c${i}`);
  const values = columns.map(({ type }, i) => `c${i}::${type}`).join(', ');
  const text = `INSERT INTO ${name} (${names}) SELECT ${values} FROM unnest(${texts}) AS line (${aliases.join(', ')})`;
  return { name: `load ${name}`, text };
}
