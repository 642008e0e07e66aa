import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { z } from 'zod';
import type { Stage } from './connection.decider.js';
import type { connectionData, testData } from './connection.events.js';

type Connection = z.output<typeof connectionData>;

/** A camera as the registry's events made it known. */
@Entity('camera')
export class KnownCameraRow {
  @PrimaryColumn('uuid')
  id!: string;

  @Column('text')
  division!: string;

  @Column('uuid', { name: 'managing_unit_id' })
  managingUnitId!: string;
}

@Entity('connection')
export class ConnectionRow {
  @PrimaryColumn('uuid')
  id!: string;

  @Column('uuid', { name: 'camera_id' })
  cameraId!: string;

  @Column('text')
  division!: string;

  @Column('uuid', { name: 'managing_unit_id' })
  managingUnitId!: string;

  @Column('text')
  protocol!: Connection['protocol'];

  @Column('text')
  address!: string;

  @Column('boolean', { name: 'has_credentials' })
  hasCredentials!: boolean;

  @Column('jsonb', { name: 'security_profile' })
  securityProfile!: Connection['securityProfile'];

  @Column('text')
  purpose!: string;

  @Column('uuid', { name: 'contact_person_id' })
  contactPersonId!: string;

  @Column('uuid', { name: 'requested_by' })
  requestedBy!: string;

  @Column('text')
  status!: Stage;

  @Column('jsonb', { name: 'last_test', nullable: true })
  lastTest!: z.output<typeof testData> | null;

  @Column('timestamptz', { name: 'last_tested_at', nullable: true })
  lastTestedAt!: Date | null;

  /** Bureau that approved it. */
  @Column('uuid', { name: 'approved_by_bureau', nullable: true })
  approvedByBureau!: string | null;

  /** Why it was last suspended, closed or withdrawn. */
  @Column('text', { nullable: true })
  reason!: string | null;

  @Column('timestamptz', { name: 'requested_at' })
  requestedAt!: Date;

  @Column('timestamptz', { name: 'changed_at' })
  changedAt!: Date;
}
