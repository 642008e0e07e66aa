import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { Stage } from './video-system.decider.js';

interface Contractor {
  readonly name: string;
  readonly qualificationNumber: string;
  readonly qualificationValidTo: string;
}

@Entity('video_system')
export class VideoSystemRow {
  @PrimaryColumn('uuid')
  id!: string;

  @Column('uuid', { name: 'site_id' })
  siteId!: string;

  @Column('text')
  name!: string;

  @Column('text')
  purpose!: string;

  @Column('text')
  funding!: 'government' | 'other';

  @Column('uuid', { name: 'managing_unit_id' })
  managingUnitId!: string;

  @Column('uuid', { name: 'responsible_party_id' })
  responsiblePartyId!: string;

  @Column('text')
  division!: string;

  @Column('boolean', { name: 'public_place' })
  publicPlace!: boolean;

  @Column('jsonb')
  designer!: Contractor;

  @Column('jsonb')
  builder!: Contractor;

  @Column('jsonb')
  maintainer!: Contractor;

  @Column('text')
  status!: Stage;

  /** Deadline of the rectification; only while rectifying. */
  @Column('date', { name: 'rectify_by', nullable: true })
  rectifyBy!: string | null;

  @Column('timestamptz', { name: 'planned_at' })
  plannedAt!: Date;

  @Column('timestamptz', { name: 'changed_at' })
  changedAt!: Date;
}
