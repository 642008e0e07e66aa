import { Column, Entity, PrimaryColumn } from 'typeorm';

@Entity('api_client')
export class ApiClientRow {
  @PrimaryColumn('uuid')
  id!: string;

  @Column('uuid', { name: 'organisation_id' })
  organisationId!: string;

  @Column('text')
  name!: string;

  @Column('uuid', { name: 'contact_person_id' })
  contactPersonId!: string;

  /** Ids of the keys that count now. */
  @Column('text', { name: 'key_ids', array: true })
  keyIds!: string[];

  @Column('boolean')
  active!: boolean;

  @Column('timestamptz', { name: 'registered_at' })
  registeredAt!: Date;
}
