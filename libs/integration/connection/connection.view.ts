import { Inject, Injectable } from '@nestjs/common';
import { type FindOptionsWhere, In, MoreThan } from 'typeorm';
import { z } from 'zod';
import { type Projection, ReadModel, type ReadModelDefinition, type RecordedEvent } from '#libs/event-store';
import { entityOf } from '#libs/kernel';
import { readModelToken, toPage, type Visible, whereVisible } from '#libs/platform';
import { Integration1772323200000 } from '../integration.migration.js';
import { ConnectionRow, KnownCameraRow } from './connection.entity.js';
import { type ConnectionEvent, connectionEvents, id } from './connection.events.js';

/** What integration needs of the registry's CameraRegistered. */
const cameraRegistered = z.object({ division: z.string(), managingUnitId: id });

const knownCameraProjection: Projection = {
  name: 'known-camera',
  filter: { types: ['CameraRegistered'] },
  async apply({ data, stream }, tx) {
    await tx.insert(KnownCameraRow, { id: entityOf(stream), ...cameraRegistered.parse(data) });
  },
};

const connectionProjection: Projection = {
  name: 'connection',
  filter: { categories: [connectionEvents.category] },
  async apply(event, tx) {
    const { type, data, stream, metadata } = event as RecordedEvent & ConnectionEvent;
    const connectionId = entityOf(stream);
    const changedAt = new Date(metadata.occurredAt);
    const set = (change: Partial<ConnectionRow>) =>
      tx.update(ConnectionRow, { id: connectionId }, { ...change, changedAt });
    switch (type) {
      case 'ConnectionRequested': {
        const { credentialRef, ...request } = data;
        const hasCredentials = credentialRef !== undefined;
        const row = {
          ...request,
          id: connectionId,
          hasCredentials,
          status: 'requested' as const,
          requestedAt: changedAt,
          changedAt,
        };
        await tx.insert(ConnectionRow, row);
        return;
      }
      case 'ConnectionTested': {
        await set({ lastTest: data, lastTestedAt: changedAt });
        const early = { id: connectionId, status: In(['requested', 'security-tested']) };
        await tx.update(ConnectionRow, early, { status: data.passed ? 'security-tested' : 'requested' });
        return;
      }
      case 'ConnectionApproved':
        await set({ status: 'approved', approvedByBureau: data.bureauId });
        return;
      case 'ConnectionOpened':
        await set({ status: 'open', reason: null });
        return;
      case 'ConnectionSuspended':
        await set({ status: 'suspended', reason: data.reason });
        return;
      case 'ConnectionClosed':
      case 'ConnectionWithdrawn':
        await set({ status: 'closed', reason: data.reason });
        return;
    }
  },
};

export const integrationReadModel: ReadModelDefinition = {
  schema: 'integration',
  entities: [KnownCameraRow, ConnectionRow],
  migrations: [Integration1772323200000],
  projections: [knownCameraProjection, connectionProjection],
};

interface ConnectionQuery {
  readonly limit: number;
  readonly cursor?: string | undefined;
  readonly division?: string | undefined;
  readonly cameraId?: string | undefined;
}

/** Reads connections; who asks sees only what `visible` lets him see. */
@Injectable()
export class ConnectionView {
  constructor(@Inject(readModelToken(integrationReadModel.schema)) private readonly model: ReadModel) {}

  /** One page, in the order of ids. */
  async page(visible: Visible, { limit, cursor, division, ...filter }: ConnectionQuery) {
    const where = visible.map((condition) => ({
      ...filter,
      ...whereVisible(condition, division),
      ...(cursor === undefined ? {} : { id: MoreThan(cursor) }),
    }));
    return toPage(await this.#rows(where, limit + 1), limit);
  }

  /** One connection; undefined when there is none that may be seen. */
  async find(visible: Visible, id: string): Promise<ConnectionRow | undefined> {
    const where = visible.map((condition) => ({ ...whereVisible(condition), id }));
    return (await this.#rows(where, 1))[0];
  }

  /** A registered camera; undefined when the registry has not made it known. */
  async camera(id: string): Promise<KnownCameraRow | undefined> {
    return (await this.model.manager.findOneBy(KnownCameraRow, { id })) ?? undefined;
  }

  /** Rows that meet one of the conditions; no condition, no row. */
  async #rows(where: readonly object[], take: number): Promise<ConnectionRow[]> {
    if (where.length === 0) return [];
    const conditions = where as FindOptionsWhere<ConnectionRow>[];
    return this.model.manager.find(ConnectionRow, { where: conditions, order: { id: 'ASC' }, take });
  }
}
