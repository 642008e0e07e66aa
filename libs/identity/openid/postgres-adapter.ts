import { createHash } from 'node:crypto';
import { type Adapter, type AdapterPayload, errors } from 'oidc-provider';
import type pg from 'pg';
import { decrypt, encrypt } from '#libs/vault';

/** Run once at start; separate from every read model, since it cannot be rebuilt from events. */
export const OPENID_TABLES = `
  CREATE SCHEMA IF NOT EXISTS openid;
  CREATE TABLE IF NOT EXISTS openid.artifact (
    model text NOT NULL, id text NOT NULL, sealed bytea NOT NULL, grant_id text, uid text,
    consumed_at timestamptz, expires_at timestamptz, PRIMARY KEY (model, id));
  CREATE INDEX IF NOT EXISTS artifact_grant ON openid.artifact (grant_id) WHERE grant_id IS NOT NULL;
  CREATE INDEX IF NOT EXISTS artifact_uid ON openid.artifact (model, uid) WHERE uid IS NOT NULL;
  CREATE INDEX IF NOT EXISTS artifact_expiry ON openid.artifact (expires_at);
`;

interface Row {
  readonly id: string;
  readonly sealed: Buffer;
  readonly consumed: number | null;
}

/** Ids are bearer secrets (codes, refresh tokens, sessions): only their digests are stored. */
const digest = (id: string) => createHash('sha256').update(id).digest('base64url');

/**
 * Keeps codes, refresh tokens, sessions and replay marks of the OpenID provider in PostgreSQL. Payloads repeat the
 * bearer secret and are therefore encrypted. What is good once is taken by one statement, so that of many uses at the
 * same moment one succeeds: the provider itself looks first and marks later.
 */
export class PostgresAdapter implements Adapter {
  /** @param key 32 bytes; payloads are encrypted under it */
  constructor(
    private readonly pool: pg.Pool,
    private readonly model: string,
    private readonly key: Uint8Array,
  ) {}

  /** @throws errors.InvalidClientAuth when a replay mark stands already (RFC 7523 §3, jti) */
  async upsert(id: string, payload: AdapterPayload, expiresIn?: number): Promise<void> {
    const { grantId, uid } = payload;
    const row = digest(id);
    const sealed = encrypt(this.key, Buffer.from(JSON.stringify(payload), 'utf8'), 'openid', this.model, row);
    const { rowCount } = await this.pool.query(
      `INSERT INTO openid.artifact AS a (model, id, sealed, grant_id, uid, expires_at)
       VALUES ($1, $2, $3, $4, $5, now() + make_interval(secs => $6))
       ON CONFLICT (model, id) DO UPDATE SET sealed = excluded.sealed, grant_id = excluded.grant_id,
         uid = excluded.uid, expires_at = excluded.expires_at
       WHERE a.model <> 'ReplayDetection' OR a.expires_at <= now()`,
      [this.model, row, sealed, grantId ? digest(grantId) : null, uid ? digest(uid) : null, expiresIn ?? null],
    );
    if (rowCount === 0) throw new errors.InvalidClientAuth('the assertion has been used already');
    await this.pool.query('DELETE FROM openid.artifact WHERE expires_at < now()');
  }

  find(id: string): Promise<AdapterPayload | undefined> {
    return this.#one('id', id);
  }

  findByUid(uid: string): Promise<AdapterPayload | undefined> {
    return this.#one('uid', uid);
  }

  async findByUserCode(): Promise<undefined> {
    return undefined;
  }

  /**
   * Marks a code or refresh token as used; it stays, so that a later use is seen as theft.
   * @throws errors.InvalidGrant when another use came first
   */
  async consume(id: string): Promise<void> {
    const { rowCount } = await this.pool.query(
      'UPDATE openid.artifact SET consumed_at = now() WHERE model = $1 AND id = $2 AND consumed_at IS NULL',
      [this.model, digest(id)],
    );
    if (rowCount !== 1) throw new errors.InvalidGrant('already used');
  }

  async destroy(id: string): Promise<void> {
    await this.pool.query('DELETE FROM openid.artifact WHERE model = $1 AND id = $2', [this.model, digest(id)]);
  }

  async revokeByGrantId(grantId: string): Promise<void> {
    await this.pool.query('DELETE FROM openid.artifact WHERE model = $1 AND grant_id = $2', [
      this.model,
      digest(grantId),
    ]);
  }

  async #one(column: 'id' | 'uid', value: string): Promise<AdapterPayload | undefined> {
    const { rows } = await this.pool.query<Row>(
      `SELECT id, sealed, floor(extract(epoch FROM consumed_at))::int AS consumed FROM openid.artifact
       WHERE model = $1 AND ${column} = $2 AND (expires_at IS NULL OR expires_at > now())`,
      [this.model, digest(value)],
    );
    const row = rows[0];
    if (row === undefined) return undefined;
    const payload = JSON.parse(decrypt(this.key, row.sealed, 'openid', this.model, row.id).toString('utf8'));
    return row.consumed === null ? payload : { ...payload, consumed: row.consumed };
  }
}
