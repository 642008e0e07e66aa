import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Lists of organisations, people and clients. Means of sign-in are elsewhere: no event holds them. */
export class Identity1772323200000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE organisation (
        id uuid PRIMARY KEY,
        name text NOT NULL,
        kind text NOT NULL,
        level text NOT NULL,
        division text NOT NULL,
        parent_id uuid,
        powers jsonb NOT NULL,
        registered_at timestamptz NOT NULL
      );
      CREATE INDEX ON organisation (division text_pattern_ops, id);

      CREATE TABLE person (
        id uuid PRIMARY KEY,
        organisation_id uuid NOT NULL,
        roles text[] NOT NULL,
        credentials jsonb NOT NULL,
        enrolled boolean NOT NULL,
        active boolean NOT NULL,
        registered_at timestamptz NOT NULL
      );
      CREATE INDEX ON person (organisation_id, id);

      CREATE TABLE api_client (
        id uuid PRIMARY KEY,
        organisation_id uuid NOT NULL,
        name text NOT NULL,
        contact_person_id uuid NOT NULL,
        key_ids text[] NOT NULL,
        active boolean NOT NULL,
        registered_at timestamptz NOT NULL
      );
      CREATE INDEX ON api_client (organisation_id, id);
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE organisation, person, api_client');
  }
}
