import { setTimeout as sleep } from 'node:timers/promises';
import type { OnApplicationShutdown, OnModuleInit } from '@nestjs/common';
import type pg from 'pg';
import { type Clock, Refusal } from '#libs/kernel';
import { servicePool } from '#libs/platform';
import { vaultRefusals } from '#libs/vault';
import { identityRefusals } from '../identity.refusals.js';
import { CredentialStore, type TotpEnrolment } from './credential-store.js';
import { normaliseUsername, PasswordHasher, requireStrongPassword } from './password.js';
import type { SignInFailure, SignInJournal } from './sign-in-journal.js';
import { SignInSecrets } from './sign-in-secrets.js';
import { base32, matchingStep, totpUri } from './totp.js';

/** A schema of its own: rebuilding a read model from events must never touch what no event holds. */
export const SIGN_IN_TABLES = `
  SELECT pg_advisory_xact_lock(hashtext('mingjing sign_in'));
  CREATE SCHEMA IF NOT EXISTS sign_in;
  CREATE TABLE IF NOT EXISTS sign_in.key_check (
    single boolean PRIMARY KEY DEFAULT true CHECK (single), mac bytea NOT NULL);
  CREATE TABLE IF NOT EXISTS sign_in.credential (
    person_id uuid PRIMARY KEY,
    name_mac bytea NOT NULL UNIQUE,
    password_hash text NOT NULL,
    totp_sealed bytea NOT NULL,
    last_step bigint NOT NULL,
    failures integer NOT NULL DEFAULT 0,
    locked_until timestamptz NOT NULL DEFAULT 'epoch');
  CREATE TABLE IF NOT EXISTS sign_in.enrolment (
    person_id uuid PRIMARY KEY,
    code_mac bytea NOT NULL UNIQUE,
    expires_at timestamptz NOT NULL,
    name_mac bytea,
    password_hash text,
    totp_sealed bytea);
`;

const ENROLMENT_MS = 24 * 3_600_000;
/** So many failures in a row cost nothing; each further one doubles the wait. */
const FREE_FAILURES = 5;
const LOCK_S_MAX = 15 * 60;
/** A refusal comes after a multiple of this time, whatever was wrong. */
const REFUSAL_STEP_MS = 500;
const UNIQUE_VIOLATION = '23505';

interface CredentialRow {
  readonly person_id: string;
  readonly password_hash: string;
  readonly totp_sealed: Buffer;
}

interface EnrolmentRow extends CredentialRow {
  readonly name_mac: Buffer | null;
}

/** Credentials in PostgreSQL. User names stand there as keyed digests, TOTP secrets encrypted, passwords hashed. */
export class PostgresCredentialStore extends CredentialStore implements OnModuleInit, OnApplicationShutdown {
  readonly #pool: pg.Pool;
  readonly #secrets: SignInSecrets;
  readonly #hasher: PasswordHasher;
  /** Checked where the user name is unknown, so that this takes as long. */
  #decoy = '';

  /** @param secret 32 bytes from the key ring */
  constructor(
    url: string,
    secret: Uint8Array,
    private readonly clock: Clock,
    private readonly journal: SignInJournal,
  ) {
    super();
    this.#pool = servicePool(url);
    this.#secrets = new SignInSecrets(secret);
    this.#hasher = new PasswordHasher(this.#secrets.pepper);
  }

  /** Creates the tables. @throws Refusal `vault.key-lost` when the credentials were made with another secret */
  async onModuleInit(): Promise<void> {
    await this.#pool.query(SIGN_IN_TABLES);
    const mac = this.#secrets.nameMac('mingjing key check');
    await this.#pool.query('INSERT INTO sign_in.key_check (mac) VALUES ($1) ON CONFLICT DO NOTHING', [mac]);
    const { rows } = await this.#pool.query<{ mac: Buffer }>('SELECT mac FROM sign_in.key_check');
    if (rows[0]?.mac.equals(mac) !== true) {
      throw vaultRefusals['vault.key-lost']('means of sign-in were made with another secret: restore the key folder');
    }
    this.#decoy = await this.#hasher.hash(this.#secrets.newCode());
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#pool.end();
  }

  override async issueEnrolment(personId: string): Promise<string> {
    const code = this.#secrets.newCode();
    const expiresAt = new Date(this.clock.now() + ENROLMENT_MS);
    await this.#pool.query(
      `INSERT INTO sign_in.enrolment (person_id, code_mac, expires_at) VALUES ($1, $2, $3)
       ON CONFLICT (person_id) DO UPDATE SET code_mac = excluded.code_mac, expires_at = excluded.expires_at,
         name_mac = NULL, password_hash = NULL, totp_sealed = NULL`,
      [personId, this.#secrets.codeMac(code), expiresAt],
    );
    return code;
  }

  override async begin(code: string, username: string, password: string): Promise<TotpEnrolment> {
    // 1. Only the holder of a valid code may make the hub compute a hash or learn whether a name is taken.
    const enrolment = await this.#enrolment(this.#pool, code);
    requireStrongPassword(password, username);
    const nameMac = this.#secrets.nameMac(username);
    const taken = await this.#pool.query('SELECT FROM sign_in.credential WHERE name_mac = $1 AND person_id <> $2', [
      nameMac,
      enrolment.person_id,
    ]);
    if (taken.rowCount !== 0) throw userNameTaken();

    // 2. Nothing of it counts until confirmed.
    const hash = await this.#hasher.hash(password);
    const secret = this.#secrets.newTotpSecret();
    const sealed = this.#secrets.seal(enrolment.person_id, secret);
    const { rowCount } = await this.#pool.query(
      `UPDATE sign_in.enrolment SET name_mac = $2, password_hash = $3, totp_sealed = $4 WHERE code_mac = $1`,
      [this.#secrets.codeMac(code), nameMac, hash, sealed],
    );
    if (rowCount !== 1) throw enrolmentRefused();
    return { totpUri: totpUri(normaliseUsername(username), secret), totpSecret: base32(secret) };
  }

  override async confirm(code: string, totp: string): Promise<string> {
    const client = await this.#pool.connect();
    try {
      await client.query('BEGIN');
      const { person_id: personId, totp_sealed: sealed, ...begun } = await this.#enrolment(client, code);
      if (begun.name_mac === null) throw enrolmentRefused();
      const step = matchingStep(this.#secrets.open(personId, sealed), totp, this.clock.now());
      if (step === undefined) throw enrolmentRefused();
      await client.query(
        `INSERT INTO sign_in.credential (person_id, name_mac, password_hash, totp_sealed, last_step)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (person_id) DO UPDATE SET name_mac = excluded.name_mac, password_hash = excluded.password_hash,
           totp_sealed = excluded.totp_sealed, last_step = excluded.last_step, failures = 0,
           locked_until = 'epoch'`,
        [personId, begun.name_mac, begun.password_hash, sealed, step],
      );
      await client.query('DELETE FROM sign_in.enrolment WHERE person_id = $1', [personId]);
      await this.journal.enrolled(personId);
      await client.query('COMMIT');
      return personId;
    } catch (error) {
      await client.query('ROLLBACK').catch(() => undefined);
      throw (error as { code?: unknown }).code === UNIQUE_VIOLATION ? userNameTaken() : error;
    } finally {
      client.release();
    }
  }

  override async isEnrolled(personId: string): Promise<boolean> {
    const { rowCount } = await this.#pool.query('SELECT FROM sign_in.credential WHERE person_id = $1', [personId]);
    return rowCount === 1;
  }

  override async verify(username: string, password: string, totp: string): Promise<{ readonly personId: string }> {
    const started = performance.now();
    const personId = await this.#check(username, password, totp);
    if (personId !== undefined) return { personId };
    const taken = performance.now() - started;
    await sleep(Math.ceil(taken / REFUSAL_STEP_MS) * REFUSAL_STEP_MS - taken);
    throw identityRefusals['identity.sign-in-refused']('check what was entered; after several failures wait a while');
  }

  /** @returns the person who may sign in; undefined for every kind of no */
  async #check(username: string, password: string, totp: string): Promise<string | undefined> {
    const { rows } = await this.#pool.query<CredentialRow>(
      'SELECT person_id, password_hash, totp_sealed FROM sign_in.credential WHERE name_mac = $1',
      [this.#secrets.nameMac(username)],
    );
    const row = rows[0];

    // 1. Every attempt is counted as a failure before it is looked at, so that many at once gain nothing.
    const lockedUntil = row && (await this.#countAttempt(row.person_id));
    const fits = await this.#hasher.fits(password, row?.password_hash ?? this.#decoy);
    if (row === undefined || lockedUntil === undefined) return undefined;
    const { person_id: personId } = row;
    const fail = (reason: SignInFailure['reason']) => this.#fail(personId, reason, lockedUntil);
    if (!fits) return fail('password');

    // 2. A code is good once: whoever stores its step first has used it.
    const step = matchingStep(this.#secrets.open(personId, row.totp_sealed), totp, this.clock.now());
    if (step === undefined || !(await this.#useStep(personId, step))) return fail('one-time-password');

    // 3. Nobody is let in by a sign-in that is not on record.
    return (await this.journal.succeeded(personId)) ? personId : undefined;
  }

  /** @returns until when the account is locked should this attempt fail; undefined when it is locked already */
  async #countAttempt(personId: string): Promise<Date | undefined> {
    const now = new Date(this.clock.now());
    const { rows } = await this.#pool.query<{ locked_until: Date }>(
      `UPDATE sign_in.credential SET failures = failures + 1,
         locked_until = CASE WHEN failures + 1 < $3 THEN locked_until
           ELSE $2 + make_interval(secs => least(2 ^ least(failures + 1 - $3, 30), $4)) END
       WHERE person_id = $1 AND locked_until <= $2 RETURNING locked_until`,
      [personId, now, FREE_FAILURES, LOCK_S_MAX],
    );
    return rows[0]?.locked_until;
  }

  async #useStep(personId: string, step: number): Promise<boolean> {
    const { rowCount } = await this.#pool.query(
      `UPDATE sign_in.credential SET last_step = $2, failures = 0, locked_until = 'epoch'
       WHERE person_id = $1 AND last_step < $2`,
      [personId, step],
    );
    return rowCount === 1;
  }

  async #fail(personId: string, reason: SignInFailure['reason'], lockedUntil: Date): Promise<undefined> {
    const locked = lockedUntil.getTime() > this.clock.now() ? { lockedUntil: lockedUntil.toISOString() } : {};
    await this.journal.failed(personId, { reason, ...locked });
  }

  /** @throws Refusal `identity.enrolment-refused` when no valid enrolment has this code */
  async #enrolment(db: pg.Pool | pg.PoolClient, code: string): Promise<EnrolmentRow> {
    const { rows } = await db.query<EnrolmentRow>(
      `SELECT person_id, name_mac, password_hash, totp_sealed FROM sign_in.enrolment
       WHERE code_mac = $1 AND expires_at > $2 FOR UPDATE`,
      [this.#secrets.codeMac(code), new Date(this.clock.now())],
    );
    if (rows[0] === undefined) throw enrolmentRefused();
    return rows[0];
  }
}

function enrolmentRefused(): Refusal {
  return identityRefusals['identity.enrolment-refused']('ask the hub operator for a new code');
}

function userNameTaken(): Refusal {
  return identityRefusals['identity.user-name-taken']('choose another one');
}
