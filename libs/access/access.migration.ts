import type { MigrationInterface, QueryRunner } from 'typeorm';

const DOSSIER = `
  id uuid PRIMARY KEY,
  organisation_id uuid NOT NULL,
  divisions text[] NOT NULL CHECK (cardinality(divisions) > 0),
  status text NOT NULL,
  state jsonb NOT NULL,
  changed_at timestamptz NOT NULL`;

/** Tables of access brokering: facts of other services, and requests, grants and sessions as they stand. */
export class Access1772323300000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE organisation (id uuid PRIMARY KEY, kind text NOT NULL, level text NOT NULL, division text NOT NULL);
      CREATE TABLE person (id uuid PRIMARY KEY, organisation_id uuid NOT NULL, active boolean NOT NULL);
      CREATE TABLE enforcement_credential (
        id uuid PRIMARY KEY,
        person_id uuid NOT NULL,
        issuer text NOT NULL,
        number_commitment text NOT NULL,
        valid_from timestamptz NOT NULL,
        valid_to timestamptz NOT NULL,
        withdrawn boolean NOT NULL
      );
      CREATE INDEX ON enforcement_credential (person_id);
      CREATE TABLE api_client (id uuid PRIMARY KEY, organisation_id uuid NOT NULL, active boolean NOT NULL);
      CREATE TABLE camera (
        id uuid PRIMARY KEY,
        gb_id text NOT NULL,
        division text NOT NULL,
        funding text NOT NULL,
        integrated boolean NOT NULL
      );
      CREATE TABLE access_request (${DOSSIER});
      CREATE TABLE access_grant (${DOSSIER});
      CREATE TABLE retrieval_session (${DOSSIER});
      CREATE INDEX ON access_request (organisation_id, id);
      CREATE INDEX ON access_grant (organisation_id, id);
      CREATE INDEX ON retrieval_session (organisation_id, id);
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE organisation, person, enforcement_credential, api_client, camera,
      access_request, access_grant, retrieval_session`);
  }
}
