import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Interface connections, and the cameras that the registry has made known. */
export class Integration1772323200000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE camera (
        id uuid PRIMARY KEY,
        division text NOT NULL,
        managing_unit_id uuid NOT NULL
      );

      CREATE TABLE connection (
        id uuid PRIMARY KEY,
        camera_id uuid NOT NULL,
        division text NOT NULL,
        managing_unit_id uuid NOT NULL,
        protocol text NOT NULL,
        address text NOT NULL,
        has_credentials boolean NOT NULL,
        security_profile jsonb NOT NULL,
        purpose text NOT NULL,
        contact_person_id uuid NOT NULL,
        requested_by uuid NOT NULL,
        status text NOT NULL,
        last_test jsonb,
        last_tested_at timestamptz,
        approved_by_bureau uuid,
        reason text,
        requested_at timestamptz NOT NULL,
        changed_at timestamptz NOT NULL
      );
      CREATE INDEX ON connection (camera_id, id);
      CREATE INDEX ON connection (division text_pattern_ops, id);
      CREATE INDEX ON connection (managing_unit_id, id);
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE camera, connection');
  }
}
