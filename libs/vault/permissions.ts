import pg from 'pg';
import { VAULT_TABLES } from './postgres-vault.js';

/** What a service does with the vault. */
export type VaultUse = 'keep-people' | 'compare-people' | 'keep-secrets' | 'read-secrets';

/** A database role and what it does with the vault. */
export interface VaultRole {
  readonly role: string;
  readonly uses: readonly VaultUse[];
}

const GRANTS: Readonly<Record<VaultUse, (role: string) => string>> = {
  'keep-people': (role) => `
    GRANT SELECT, INSERT ON vault.person_key TO ${role};
    GRANT SELECT, INSERT, UPDATE ON vault.personal_field TO ${role};`,
  'compare-people': (role) => `GRANT SELECT ON vault.person_key TO ${role};`,
  'keep-secrets': (role) => `GRANT INSERT ON vault.secret TO ${role};`,
  'read-secrets': (role) => `GRANT SELECT ON vault.secret TO ${role};`,
};

/**
 * Makes the vault's tables the owner's and lets each role do what it is said to do with them, and nobody else anything.
 * @param ownerUrl address as the role that owns the database's schemas
 */
export async function permitVault(ownerUrl: string, roles: readonly VaultRole[]): Promise<void> {
  const client = new pg.Client({ connectionString: ownerUrl });
  await client.connect();
  try {
    await client.query('BEGIN');
    await client.query(`SELECT pg_advisory_xact_lock(hashtextextended('vault permissions', 0))`);
    await client.query(VAULT_TABLES);
    // 1. A hub in one process made the tables as the role that it serves by; its rights end with its ownership.
    const { rows } = await client.query<{ grantee: string }>(
      `SELECT DISTINCT r.rolname AS grantee FROM pg_class c, aclexplode(c.relacl) a JOIN pg_roles r ON r.oid = a.grantee
        WHERE c.relnamespace = 'vault'::regnamespace AND c.relkind = 'r' AND a.grantee <> c.relowner`,
    );
    await client.query('ALTER SCHEMA vault OWNER TO CURRENT_USER');
    for (const table of ['key_check', 'person_key', 'personal_field', 'secret']) {
      await client.query(`ALTER TABLE vault.${table} OWNER TO CURRENT_USER`);
    }
    for (const { grantee } of rows) {
      const role = client.escapeIdentifier(grantee);
      await client.query(
        `REVOKE ALL ON ALL TABLES IN SCHEMA vault FROM ${role}; REVOKE ALL ON SCHEMA vault FROM ${role}`,
      );
    }
    // 2. What each is for
    for (const { role: name, uses } of roles) {
      if (uses.length === 0) continue;
      const role = client.escapeIdentifier(name);
      await client.query(`GRANT USAGE ON SCHEMA vault TO ${role}; GRANT SELECT, INSERT ON vault.key_check TO ${role}`);
      for (const use of uses) await client.query(GRANTS[use](role));
    }
    await client.query('COMMIT');
  } finally {
    await client.end();
  }
}
