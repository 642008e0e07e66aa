import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { OrganisationKind, OrganisationLevel, Power } from '#libs/kernel';

@Entity('organisation')
export class OrganisationRow {
  @PrimaryColumn('uuid')
  id!: string;

  @Column('text')
  name!: string;

  @Column('text')
  kind!: OrganisationKind;

  @Column('text')
  level!: OrganisationLevel;

  @Column('text')
  division!: string;

  @Column('uuid', { name: 'parent_id', nullable: true })
  parentId!: string | null;

  /** Powers held now, each with the instrument that confers it. */
  @Column('jsonb')
  powers!: { power: Power; instrument: string }[];

  @Column('timestamptz', { name: 'registered_at' })
  registeredAt!: Date;
}
