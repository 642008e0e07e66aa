import { Inject, Injectable } from '@nestjs/common';
import { type FindOptionsWhere, In, MoreThan } from 'typeorm';
import { ReadModel, type ReadModelDefinition } from '#libs/event-store';
import { readModelToken, toPage, type Visible, whereVisible } from '#libs/platform';
import { CameraRow } from './camera/camera.entity.js';
import { cameraProjection, integratedProjection } from './camera/camera.view.js';
import { OrganisationRow, organisationProjection } from './organisation.view.js';
import { Registry1772323200000 } from './registry.migration.js';
import { registryRefusals } from './registry.refusals.js';
import { SiteRow } from './site/site.entity.js';
import { siteProjection } from './site/site.view.js';
import { VideoSystemRow } from './video-system/video-system.entity.js';
import { videoSystemProjection } from './video-system/video-system.view.js';

export const registryReadModel: ReadModelDefinition = {
  schema: 'registry',
  entities: [OrganisationRow, SiteRow, VideoSystemRow, CameraRow],
  migrations: [Registry1772323200000],
  projections: [organisationProjection, siteProjection, videoSystemProjection, cameraProjection, integratedProjection],
};

/** Something on the register. */
interface Registered {
  id: string;
  managingUnitId: string;
  division: string;
}

type RowType<Row extends Registered> = new () => Row;

/** Where a page begins, how many it may hold, and what it is about. */
interface PageQuery {
  readonly limit: number;
  readonly cursor?: string | undefined;
  readonly division?: string | undefined;
  readonly siteId?: string | undefined;
  readonly systemId?: string | undefined;
}

/** Reads the register; who asks sees only what `visible` lets him see. */
@Injectable()
export class Register {
  constructor(@Inject(readModelToken(registryReadModel.schema)) private readonly model: ReadModel) {}

  /** One page, in the order of ids. */
  async page<Row extends Registered>(
    type: RowType<Row>,
    visible: Visible,
    { limit, cursor, division, ...filter }: PageQuery,
    more: FindOptionsWhere<Row> = {},
  ) {
    const where = visible.map((condition) => ({
      ...more,
      ...filter,
      ...whereVisible(condition, division),
      ...(cursor === undefined ? {} : { id: MoreThan(cursor) }),
    }));
    return toPage(await this.#rows(type, where, limit + 1), limit);
  }

  /** One thing; undefined when there is none that may be seen. */
  async find<Row extends Registered>(type: RowType<Row>, visible: Visible, id: string): Promise<Row | undefined> {
    const where = visible.map((condition) => ({ ...whereVisible(condition), id }));
    return (await this.#rows(type, where, 1))[0];
  }

  /** Rows that meet one of the conditions; no condition, no row. */
  async #rows<Row extends Registered>(type: RowType<Row>, where: readonly object[], take: number): Promise<Row[]> {
    if (where.length === 0) return [];
    return this.model.manager.find(type as RowType<Registered>, {
      where: where as FindOptionsWhere<Registered>[],
      order: { id: 'ASC' },
      take,
    }) as Promise<Row[]>;
  }

  /** One thing, whoever asks: for facts that a decision rests on. */
  async known<Row extends Registered>(type: RowType<Row>, id: string): Promise<Row | undefined> {
    const row = await this.model.manager.findOneBy<Registered>(type, { id });
    return (row ?? undefined) as Row | undefined;
  }

  /** @throws Refusal `registry.no-such-organisation` when identity knows one of them not */
  async requireOrganisations(...ids: readonly string[]): Promise<void> {
    const wanted = new Set(ids);
    const rows = await this.model.manager.findBy(OrganisationRow, { id: In([...wanted]) });
    for (const { id } of rows) wanted.delete(id);
    const [missing] = wanted;
    if (missing !== undefined) {
      throw registryRefusals['registry.no-such-organisation'](`no organisation has the id ${missing}`, { id: missing });
    }
  }
}
