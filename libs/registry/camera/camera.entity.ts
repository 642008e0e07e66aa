import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { RegisterCamera } from './camera.decider.js';

type Camera = RegisterCamera['camera'];

@Entity('camera')
export class CameraRow {
  @PrimaryColumn('uuid')
  id!: string;

  @Column('uuid', { name: 'system_id' })
  systemId!: string;

  @Column('uuid', { name: 'site_id' })
  siteId!: string;

  @Column('text', { name: 'gb_id' })
  gbId!: string;

  @Column('text')
  name!: string;

  @Column('text')
  division!: string;

  @Column('text')
  funding!: 'government' | 'other';

  @Column('uuid', { name: 'managing_unit_id' })
  managingUnitId!: string;

  @Column('text')
  purpose!: string;

  @Column('text')
  place!: string;

  @Column('jsonb')
  position!: Camera['position'];

  @Column('jsonb', { name: 'field_of_view' })
  fieldOfView!: Camera['fieldOfView'];

  @Column('jsonb', { nullable: true })
  sign!: Camera['sign'];

  @Column('jsonb')
  product!: Camera['product'];

  /** Whether an interface connection to it is open (Art. 7). */
  @Column('boolean')
  integrated!: boolean;

  @Column('timestamptz', { name: 'registered_at' })
  registeredAt!: Date;
}
