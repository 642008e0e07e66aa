import { createHash } from 'node:crypto';
import type { Adapter, AdapterPayload } from 'oidc-provider';
import type pg from 'pg';

/** Run once at start; separate from every read model, since it cannot be rebuilt from events. */
export const OPENID_TABLES = `
  CREATE SCHEMA IF NOT EXISTS openid;
  CREATE TABLE IF NOT EXISTS openid.artifact (
    model text NOT NULL, id text NOT NULL, payload jsonb NOT NULL, grant_id text, uid text, expires_at timestamptz,
    PRIMARY KEY (model, id));
  CREATE INDEX IF NOT EXISTS artifact_grant ON openid.artifact (grant_id) WHERE grant_id IS NOT NULL;
  CREATE INDEX IF NOT EXISTS artifact_uid ON openid.artifact (model, uid) WHERE uid IS NOT NULL;
  CREATE INDEX IF NOT EXISTS artifact_expiry ON openid.artifact (expires_at);
`;

/** Ids are bearer secrets (codes, refresh tokens): only their digests are stored. */
const digest = (id: string) => createHash('sha256').update(id).digest('base64url');

/** Keeps codes, refresh tokens, sessions and replay marks of the OpenID provider in PostgreSQL. */
export class PostgresAdapter implements Adapter {
  constructor(
    private readonly pool: pg.Pool,
    private readonly model: string,
  ) {}

  async upsert(id: string, payload: AdapterPayload, expiresIn?: number): Promise<void> {
    await this.pool.query(
      `INSERT INTO openid.artifact (model, id, payload, grant_id, uid, expires_at)
       VALUES ($1, $2, $3, $4, $5, now() + make_interval(secs => $6))
       ON CONFLICT (model, id) DO UPDATE SET payload = excluded.payload, grant_id = excluded.grant_id,
         uid = excluded.uid, expires_at = excluded.expires_at`,
      [this.model, digest(id), payload, payload.grantId ?? null, payload.uid ?? null, expiresIn ?? null],
    );
    await this.pool.query('DELETE FROM openid.artifact WHERE expires_at < now()');
  }

  find(id: string): Promise<AdapterPayload | undefined> {
    return this.#one('id', digest(id));
  }

  findByUid(uid: string): Promise<AdapterPayload | undefined> {
    return this.#one('uid', uid);
  }

  async findByUserCode(): Promise<undefined> {
    return undefined;
  }

  /** Marks a code or refresh token as used; it stays, so that a second use is seen as theft. */
  async consume(id: string): Promise<void> {
    await this.pool.query(
      `UPDATE openid.artifact SET payload = payload || jsonb_build_object('consumed', floor(extract(epoch FROM now())))
       WHERE model = $1 AND id = $2`,
      [this.model, digest(id)],
    );
  }

  async destroy(id: string): Promise<void> {
    await this.pool.query('DELETE FROM openid.artifact WHERE model = $1 AND id = $2', [this.model, digest(id)]);
  }

  async revokeByGrantId(grantId: string): Promise<void> {
    await this.pool.query('DELETE FROM openid.artifact WHERE model = $1 AND grant_id = $2', [this.model, grantId]);
  }

  async #one(column: 'id' | 'uid', value: string): Promise<AdapterPayload | undefined> {
    const { rows } = await this.pool.query<{ payload: AdapterPayload }>(
      `SELECT payload FROM openid.artifact
       WHERE model = $1 AND ${column} = $2 AND (expires_at IS NULL OR expires_at > now())`,
      [this.model, value],
    );
    return rows[0]?.payload;
  }
}
