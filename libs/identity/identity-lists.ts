import { Inject, Injectable } from '@nestjs/common';
import { type FindOptionsWhere, Like, MoreThan } from 'typeorm';
import { ReadModel, type ReadModelDefinition } from '#libs/event-store';
import type { OrganisationKind, Principal } from '#libs/kernel';
import { readModelToken, toPage } from '#libs/platform';
import { ApiClientRow } from './api-client/api-client.entity.js';
import { apiClientProjection } from './api-client/api-client.view.js';
import { Identity1772323200000 } from './identity.migration.js';
import { OrganisationRow } from './organisation/organisation.entity.js';
import { organisationProjection } from './organisation/organisation.view.js';
import { PersonRow } from './person/person.entity.js';
import { personProjection } from './person/person.view.js';

export const identityReadModel: ReadModelDefinition = {
  schema: 'identity',
  entities: [OrganisationRow, PersonRow, ApiClientRow],
  migrations: [Identity1772323200000],
  projections: [organisationProjection, personProjection, apiClientProjection],
};

interface Page {
  readonly limit: number;
  readonly cursor?: string | undefined;
}

/** Something that belongs to an organisation. */
interface Owned {
  id: string;
  organisationId: string;
}

/** Lists for reading; what a decision rests on comes from the directory. */
@Injectable()
export class IdentityLists {
  constructor(@Inject(readModelToken(identityReadModel.schema)) private readonly model: ReadModel) {}

  /** One page of organisations: everybody may know who takes part. */
  async organisations({
    limit,
    cursor,
    division,
    kind,
  }: Page & { readonly division?: string | undefined; readonly kind?: OrganisationKind | undefined }) {
    const where: FindOptionsWhere<OrganisationRow> = {
      ...(division === undefined ? {} : { division: Like(`${division}%`) }),
      ...(kind === undefined ? {} : { kind }),
      ...(cursor === undefined ? {} : { id: MoreThan(cursor) }),
    };
    return toPage(
      await this.model.manager.find(OrganisationRow, { where, order: { id: 'ASC' }, take: limit + 1 }),
      limit,
    );
  }

  async organisation(id: string): Promise<OrganisationRow | undefined> {
    return (await this.model.manager.findOneBy(OrganisationRow, { id })) ?? undefined;
  }

  /** One page of what the asker's own organisation has; the operator sees that of all, or of the one named. */
  async owned<Row extends Owned>(
    type: new () => Row,
    { roles, organisation }: Principal,
    { limit, cursor, organisationId }: Page & { readonly organisationId?: string | undefined },
  ) {
    const operator = roles.includes('hub-operator');
    if (!operator && organisationId !== undefined && organisationId !== organisation.id) return toPage<Row>([], limit);
    const of = operator ? organisationId : organisation.id;
    const where: FindOptionsWhere<Owned> = {
      ...(of === undefined ? {} : { organisationId: of }),
      ...(cursor === undefined ? {} : { id: MoreThan(cursor) }),
    };
    const rows = await this.model.manager.find(type as new () => Owned, {
      where,
      order: { id: 'ASC' },
      take: limit + 1,
    });
    return toPage(rows as Row[], limit);
  }
}
