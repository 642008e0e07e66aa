import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Tables of the register: sites, video systems, cameras, and the organisations that may be named in them. */
export class Registry1772323200000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE organisation (id uuid PRIMARY KEY);

      CREATE TABLE site (
        id uuid PRIMARY KEY,
        name text NOT NULL,
        category text NOT NULL,
        division text NOT NULL,
        address text,
        managing_unit_id uuid NOT NULL,
        registered_at timestamptz NOT NULL
      );
      CREATE INDEX ON site (division text_pattern_ops, id);
      CREATE INDEX ON site (managing_unit_id, id);

      CREATE TABLE video_system (
        id uuid PRIMARY KEY,
        site_id uuid NOT NULL,
        name text NOT NULL,
        purpose text NOT NULL,
        funding text NOT NULL,
        managing_unit_id uuid NOT NULL,
        responsible_party_id uuid NOT NULL,
        division text NOT NULL,
        public_place boolean NOT NULL,
        designer jsonb NOT NULL,
        builder jsonb NOT NULL,
        maintainer jsonb NOT NULL,
        status text NOT NULL,
        rectify_by date,
        planned_at timestamptz NOT NULL,
        changed_at timestamptz NOT NULL
      );
      CREATE INDEX ON video_system (division text_pattern_ops, id);
      CREATE INDEX ON video_system (managing_unit_id, id);

      CREATE TABLE camera (
        id uuid PRIMARY KEY,
        system_id uuid NOT NULL,
        site_id uuid NOT NULL,
        gb_id text NOT NULL UNIQUE,
        name text NOT NULL,
        division text NOT NULL,
        funding text NOT NULL,
        managing_unit_id uuid NOT NULL,
        purpose text NOT NULL,
        place text NOT NULL,
        position jsonb NOT NULL,
        field_of_view jsonb NOT NULL,
        sign jsonb,
        product jsonb NOT NULL,
        integrated boolean NOT NULL,
        registered_at timestamptz NOT NULL
      );
      CREATE INDEX ON camera (division text_pattern_ops, id);
      CREATE INDEX ON camera (managing_unit_id, id);
      CREATE INDEX ON camera (id) WHERE integrated AND funding = 'government';
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE organisation, site, video_system, camera');
  }
}
