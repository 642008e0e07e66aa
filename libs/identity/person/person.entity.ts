import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { z } from 'zod';
import type { Role } from '#libs/kernel';
import type { credentialTerms } from './person.events.js';

/** A person without name or number. */
@Entity('person')
export class PersonRow {
  @PrimaryColumn('uuid')
  id!: string;

  @Column('uuid', { name: 'organisation_id' })
  organisationId!: string;

  @Column('text', { array: true })
  roles!: Role[];

  /** Enforcement credentials on file, without their numbers. */
  @Column('jsonb')
  credentials!: ({ id: string } & z.output<typeof credentialTerms>)[];

  @Column('boolean')
  enrolled!: boolean;

  @Column('boolean')
  active!: boolean;

  @Column('timestamptz', { name: 'registered_at' })
  registeredAt!: Date;
}
