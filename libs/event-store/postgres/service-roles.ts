import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import pg from 'pg';
import { migrateEventStore } from './migrations.js';
import type { StoreRole } from './permissions.js';

/** A database role for one service. */
export interface ServiceRole extends StoreRole {
  /**
   * Printable ASCII; leaves this process as a verifier only, so that no log of statements can show it. Without one the
   * role must be there and signs in as it did.
   */
  readonly password?: string;
  /** Schemas that belong to the service alone: its read model and tables of its own. */
  readonly schemas: readonly string[];
}

/** Two installers at once would both find a role missing; advisory locks count for one database. */
const ROLES_LOCK = 3_117_002;

/**
 * Makes a login role a service, or brings an existing one to what is said here: no superuser, member of nothing, owner
 * of its schemas and all that is in them (also of what a hub in one process left there), and in the event store what
 * {@link migrateEventStore} permits.
 * @param ownerUrl address as a role that may create roles and owns the database
 * @throws Error in one sentence when a name is not one, or a role may act as another
 */
export async function createServiceRoles(ownerUrl: string, roles: readonly ServiceRole[]): Promise<void> {
  const client = new pg.Client({ connectionString: ownerUrl });
  await client.connect();
  try {
    await client.query('BEGIN');
    await client.query('SELECT pg_advisory_xact_lock($1)', [ROLES_LOCK]);
    for (const role of roles) {
      await makeRole(client, role);
      for (const schema of role.schemas) await giveSchema(client, schema, role.role);
    }
    await client.query('COMMIT');
  } finally {
    await client.end();
  }
  await migrateEventStore(ownerUrl, roles);
}

async function makeRole(client: pg.Client, { role, password }: ServiceRole): Promise<void> {
  checkName(role);
  const { rows } = await client.query<{ memberships: string | null }>(
    `SELECT (SELECT string_agg(g.rolname, ', ') FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
              WHERE m.member = r.oid) AS memberships FROM pg_roles r WHERE rolname = $1`,
    [role],
  );
  const memberships = rows[0]?.memberships;
  if (memberships) throw new Error(`Role ${role} may act as ${memberships}: a service's role is a member of nothing.`);
  if (password === undefined) {
    if (rows.length === 0) throw new Error(`Role ${role} is not there, and no password was given to make it.`);
    return;
  }
  const rights = 'LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS';
  const verb = rows.length === 0 ? 'CREATE' : 'ALTER';
  await client.query(`${verb} ROLE ${role} ${rights} PASSWORD ${client.escapeLiteral(scramVerifier(password))}`);
}

/** Makes a schema a role's own, with everything in it. */
async function giveSchema(client: pg.Client, schema: string, role: string): Promise<void> {
  checkName(schema);
  const { rows: connected } = await client.query<{ superuser: boolean }>(
    `SELECT rolsuper AS superuser FROM pg_roles WHERE rolname = current_user`,
  );
  // Giving away needs membership, which a superuser has of everybody and nobody should keep.
  const borrow = !connected[0]!.superuser;
  if (borrow) await client.query(`GRANT ${role} TO CURRENT_USER`);
  await client.query(`CREATE SCHEMA IF NOT EXISTS ${schema}`);
  await client.query(`ALTER SCHEMA ${schema} OWNER TO ${role}`);
  const { rows } = await client.query<{ statement: string }>(
    `SELECT format('ALTER TABLE %s OWNER TO %I', c.oid::regclass, $2::text) AS statement FROM pg_class c
      WHERE c.relnamespace = to_regnamespace($1) AND c.relkind IN ('r', 'p', 'v', 'm')
        AND pg_get_userbyid(c.relowner) <> $2`,
    [schema, role],
  );
  for (const { statement } of rows) await client.query(statement);
  if (borrow) await client.query(`REVOKE ${role} FROM CURRENT_USER`);
}

/** Names come from code; anything else would be an injection. */
function checkName(name: string): void {
  if (!/^[a-z][a-z0-9_]{0,60}$/.test(name)) throw new TypeError(`name ${name} must be lower-case snake_case`);
}

/** RFC 5803, as PostgreSQL stores it. */
function scramVerifier(password: string): string {
  if (!/^[\x21-\x7e]{8,}$/.test(password)) throw new TypeError('a password has 8 or more printable ASCII characters');
  const iterations = 4_096;
  const salt = randomBytes(16);
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256');
  const hmac = (text: string) => createHmac('sha256', salted).update(text).digest();
  const storedKey = createHash('sha256').update(hmac('Client Key')).digest('base64');
  const serverKey = hmac('Server Key').toString('base64');
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${storedKey}:${serverKey}`;
}
