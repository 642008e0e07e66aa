import { Inject, Injectable } from '@nestjs/common';
import type { Projection, ReadModel, RecordedEvent } from '#libs/event-store';
import { type DomainCommand, type DomainEvent, entityOf, type Principal, type StreamDefinition } from '#libs/kernel';
import { readModelToken, toPage } from '#libs/platform';
import { accessRequestStream } from './access-request/access-request.decider.js';
import { AccessRequestRow, type DossierRow, GrantRow, RetrievalSessionRow } from './dossier.entity.js';
import { grantStream } from './grant/grant.decider.js';
import { retrievalSessionStream } from './retrieval-session/retrieval-session.decider.js';

type RowType<State> = new () => DossierRow<State>;

interface Belonging {
  readonly organisationId: string;
  readonly divisions: readonly string[];
}

/** Keeps the state that the decider's own `evolve` makes; the first event says whose it is. */
function stateProjection<State extends { readonly status: string }, C extends DomainCommand, E extends DomainEvent>(
  { events, decider }: StreamDefinition<State, C, E>,
  type: RowType<State>,
): Projection {
  return {
    name: events.category,
    filter: { categories: [events.category] },
    async apply(event: RecordedEvent, tx) {
      const id = entityOf(event.stream);
      const [row] = await tx.findBy(type as RowType<unknown>, { id });
      const state = decider.evolve((row?.state ?? decider.initialState()) as State, event as unknown as E);
      const { organisationId, divisions } = (row ?? event.data) as Belonging;
      const whose = { organisationId, divisions: [...divisions] };
      const changedAt = new Date(event.metadata.occurredAt);
      await tx.save(type as RowType<unknown>, { id, ...whose, status: state.status, state, changedAt });
    },
  };
}

export const dossierProjections: readonly Projection[] = [
  stateProjection(accessRequestStream, AccessRequestRow),
  stateProjection(grantStream, GrantRow),
  stateProjection(retrievalSessionStream, RetrievalSessionRow),
];

export interface DossierQuery {
  readonly limit: number;
  readonly cursor?: string | undefined;
  readonly status?: string | undefined;
}

/**
 * Requests, grants and sessions as they stand, for reading; decisions read the streams themselves. Seen by the
 * organisation that asked or holds, and by responsible persons and auditors whose jurisdiction covers every camera.
 */
@Injectable()
export class Dossiers {
  constructor(@Inject(readModelToken('access')) private readonly model: ReadModel) {}

  /** One page in the order of ids. */
  async page<State>(type: RowType<State>, by: Principal, { limit, cursor, status }: DossierQuery) {
    const query = this.#visible(type, by)
      .orderBy('row.id')
      .take(limit + 1);
    if (cursor !== undefined) query.andWhere('row.id > :cursor', { cursor });
    if (status !== undefined) query.andWhere('row.status = :status', { status });
    return toPage(await query.getMany(), limit);
  }

  /** Undefined when there is none that may be seen. */
  async find<State>(type: RowType<State>, by: Principal, id: string): Promise<DossierRow<State> | undefined> {
    return (await this.#visible(type, by).andWhere('row.id = :id', { id }).getOne()) ?? undefined;
  }

  #visible<State>(type: RowType<State>, { roles, organisation }: Principal) {
    const supervises = roles.includes('psb-responsible-person') || roles.includes('auditor');
    const own = 'row.organisationId = :own';
    // Divisions are digits only, so that none of them is a pattern.
    const covered = "NOT EXISTS (SELECT 1 FROM unnest(row.divisions) AS d WHERE d NOT LIKE :division || '%')";
    return this.model.manager
      .createQueryBuilder(type, 'row')
      .where(supervises ? `(${own} OR ${covered})` : own, { own: organisation.id, division: organisation.division });
  }
}
