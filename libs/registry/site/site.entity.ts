import { Column, Entity, PrimaryColumn } from 'typeorm';

@Entity('site')
export class SiteRow {
  @PrimaryColumn('uuid')
  id!: string;

  @Column('text')
  name!: string;

  @Column('text')
  category!: string;

  @Column('text')
  division!: string;

  @Column('text', { nullable: true })
  address!: string | null;

  @Column('uuid', { name: 'managing_unit_id' })
  managingUnitId!: string;

  @Column('timestamptz', { name: 'registered_at' })
  registeredAt!: Date;
}
