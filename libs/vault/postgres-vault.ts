import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type pg from 'pg';
import { type EventStore, newEvent } from '#libs/event-store';
import { newId, streamName } from '#libs/kernel';
import { servicePool } from '#libs/platform';
import { personalDataEvents } from './personal-data.events.js';
import { type Reading, SecretStore, Vault } from './port.js';
import { commitment, decrypt, encrypt } from './sealing.js';
import { vaultRefusals } from './vault.refusals.js';

export const VAULT_TABLES = `
  CREATE SCHEMA IF NOT EXISTS vault;
  CREATE TABLE IF NOT EXISTS vault.key_check (single boolean PRIMARY KEY DEFAULT true CHECK (single), mac bytea NOT NULL);
  CREATE TABLE IF NOT EXISTS vault.person_key (
    person_id uuid PRIMARY KEY, wrapped bytea NOT NULL, made_at timestamptz NOT NULL DEFAULT now());
  CREATE TABLE IF NOT EXISTS vault.personal_field (
    person_id uuid REFERENCES vault.person_key, field text, sealed bytea NOT NULL, PRIMARY KEY (person_id, field));
  CREATE TABLE IF NOT EXISTS vault.secret (id uuid PRIMARY KEY, sealed bytea NOT NULL);
`;

/**
 * Vault in PostgreSQL: a key per person wrapped by the hub's vault key, fields under the person's key.
 * The clear text of keys and fields is only ever in memory.
 */
export class PostgresVault extends Vault {
  readonly secrets: SecretStore;
  readonly #pool: pg.Pool;

  constructor(
    url: string,
    private readonly vaultKey: Uint8Array,
    private readonly store: EventStore,
  ) {
    super();
    this.#pool = servicePool(url);
    this.secrets = new PostgresSecretStore(this.#pool, vaultKey);
  }

  /** Creates the tables where {@link permitVault} has not. @throws Refusal `vault.key-lost` when the vault key is not the one the data was sealed with */
  async start(): Promise<void> {
    // A role that may use the tables may not make any.
    const { rows: there } = await this.#pool.query(`SELECT to_regclass('vault.secret') AS secret`);
    if (there[0].secret === null) await this.#pool.query(VAULT_TABLES);
    const sql = 'INSERT INTO vault.key_check (mac) VALUES ($1) ON CONFLICT DO NOTHING';
    await this.#pool.query(sql, [this.#keyCheck()]);
    await this.assertOpens();
  }

  /** Asks whether the vault answers and its key opens it. @throws Refusal `vault.key-lost`, or what the database says */
  async assertOpens(): Promise<void> {
    const { rows } = await this.#pool.query<{ mac: Buffer }>('SELECT mac FROM vault.key_check');
    if (rows[0] === undefined || !timingSafeEqual(rows[0].mac, this.#keyCheck())) {
      throw vaultRefusals['vault.key-lost']('personal data was sealed with another vault key: restore the key folder');
    }
  }

  #keyCheck(): Buffer {
    return createHmac('sha256', this.vaultKey).update('mingjing vault key check v1').digest();
  }

  async stop(): Promise<void> {
    await this.#pool.end();
  }

  override async seal(personId: string, fields: Readonly<Record<string, string>>): Promise<Record<string, string>> {
    const key = (await this.#key(personId)) ?? (await this.#makeKey(personId));
    const names = Object.keys(fields);
    const sealed = names.map((name) => encrypt(key, Buffer.from(fields[name]!, 'utf8'), personId, name));
    await this.#pool.query(
      `INSERT INTO vault.personal_field (person_id, field, sealed)
       SELECT $1, name, sealed FROM unnest($2::text[], $3::bytea[]) AS t (name, sealed)
       ON CONFLICT (person_id, field) DO UPDATE SET sealed = excluded.sealed`,
      [personId, names, sealed],
    );
    return Object.fromEntries(names.map((name) => [name, commitment(key, name, fields[name]!)]));
  }

  override async commit(personId: string, field: string, value: string): Promise<string> {
    return commitment(await this.#keyOrRefuse(personId), field, value);
  }

  override async open(personId: string, fields: readonly string[], reading: Reading): Promise<Record<string, string>> {
    const key = await this.#keyOrRefuse(personId);
    const { purpose, context } = reading;
    const event = newEvent(personalDataEvents, { type: 'PersonalDataRead', data: { fields, purpose } }, context);
    const stream = streamName(personalDataEvents.category, personId);
    await this.store.append([{ stream, expected: 'any', events: [event] }]);
    const { rows } = await this.#pool.query<{ field: string; sealed: Buffer }>(
      'SELECT field, sealed FROM vault.personal_field WHERE person_id = $1 AND field = ANY ($2)',
      [personId, fields],
    );
    return Object.fromEntries(
      rows.map(({ field, sealed }) => [field, this.#decrypt(key, sealed, personId, field).toString('utf8')]),
    );
  }

  async #keyOrRefuse(personId: string): Promise<Uint8Array> {
    const key = await this.#key(personId);
    if (key === undefined) throw vaultRefusals['vault.no-such-person'](`person ${personId}`);
    return key;
  }

  async #key(personId: string): Promise<Uint8Array | undefined> {
    const { rows } = await this.#pool.query<{ wrapped: Buffer }>(
      'SELECT wrapped FROM vault.person_key WHERE person_id = $1',
      [personId],
    );
    const wrapped = rows[0]?.wrapped;
    return wrapped === undefined ? undefined : this.#decrypt(this.vaultKey, wrapped, 'person key', personId);
  }

  async #makeKey(personId: string): Promise<Uint8Array> {
    const wrapped = encrypt(this.vaultKey, randomBytes(32), 'person key', personId);
    await this.#pool.query('INSERT INTO vault.person_key (person_id, wrapped) VALUES ($1, $2) ON CONFLICT DO NOTHING', [
      personId,
      wrapped,
    ]);
    return this.#keyOrRefuse(personId);
  }

  #decrypt(key: Uint8Array, sealed: Buffer, ...binding: string[]): Buffer {
    try {
      return decrypt(key, sealed, ...binding);
    } catch {
      throw vaultRefusals['vault.damaged'](`${binding.join(' ')} does not open with its key`);
    }
  }
}

class PostgresSecretStore extends SecretStore {
  constructor(
    private readonly pool: pg.Pool,
    private readonly vaultKey: Uint8Array,
  ) {
    super();
  }

  override async put(secret: Readonly<Record<string, string>>): Promise<string> {
    const id = newId();
    const sealed = encrypt(this.vaultKey, Buffer.from(JSON.stringify(secret), 'utf8'), 'secret', id);
    await this.pool.query('INSERT INTO vault.secret (id, sealed) VALUES ($1, $2)', [id, sealed]);
    return id;
  }

  override async get(reference: string): Promise<Record<string, string> | undefined> {
    const { rows } = await this.pool.query<{ sealed: Buffer }>('SELECT sealed FROM vault.secret WHERE id = $1', [
      reference,
    ]);
    if (rows[0] === undefined) return undefined;
    return JSON.parse(decrypt(this.vaultKey, rows[0].sealed, 'secret', reference).toString('utf8'));
  }
}
