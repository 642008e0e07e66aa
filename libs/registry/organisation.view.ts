import { Entity, PrimaryColumn } from 'typeorm';
import type { Projection } from '#libs/event-store';
import { entityOf } from '#libs/kernel';

/** An organisation that identity knows. */
@Entity('organisation')
export class OrganisationRow {
  @PrimaryColumn('uuid')
  id!: string;
}

/** Which organisations exist, so that no site is given to one that does not. */
export const organisationProjection: Projection = {
  name: 'organisation',
  filter: { types: ['OrganisationRegistered'] },
  async apply({ stream }, tx) {
    await tx.insert(OrganisationRow, { id: entityOf(stream) });
  },
};
