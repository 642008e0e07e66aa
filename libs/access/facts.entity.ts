import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { OrganisationKind, OrganisationLevel } from '#libs/kernel';

@Entity('organisation')
export class OrganisationRow {
  @PrimaryColumn('uuid')
  id!: string;

  @Column('text')
  kind!: OrganisationKind;

  @Column('text')
  level!: OrganisationLevel;

  @Column('text')
  division!: string;
}

@Entity('person')
export class PersonRow {
  @PrimaryColumn('uuid')
  id!: string;

  @Column('uuid', { name: 'organisation_id' })
  organisationId!: string;

  @Column('boolean')
  active!: boolean;
}

@Entity('enforcement_credential')
export class CredentialRow {
  @PrimaryColumn('uuid')
  id!: string;

  @Column('uuid', { name: 'person_id' })
  personId!: string;

  @Column('text')
  issuer!: string;

  /** Keyed commitment to the number; the number itself is in the vault. */
  @Column('text', { name: 'number_commitment' })
  numberCommitment!: string;

  @Column('timestamptz', { name: 'valid_from' })
  validFrom!: Date;

  /** First moment at which it is valid no more. */
  @Column('timestamptz', { name: 'valid_to' })
  validTo!: Date;

  @Column('boolean')
  withdrawn!: boolean;
}

@Entity('api_client')
export class ClientRow {
  @PrimaryColumn('uuid')
  id!: string;

  @Column('uuid', { name: 'organisation_id' })
  organisationId!: string;

  @Column('boolean')
  active!: boolean;
}

@Entity('camera')
export class CameraRow {
  @PrimaryColumn('uuid')
  id!: string;

  @Column('text', { name: 'gb_id' })
  gbId!: string;

  @Column('text')
  division!: string;

  @Column('text')
  funding!: 'government' | 'other';

  /** Whether an interface connection to it is open (Art. 7). */
  @Column('boolean')
  integrated!: boolean;
}
