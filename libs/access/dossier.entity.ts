import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { AccessRequestState } from './access-request/access-request.decider.js';
import type { GrantState } from './grant/grant.decider.js';
import type { RetrievalSessionState } from './retrieval-session/retrieval-session.decider.js';

/** A request, grant or session as it stands: its state, and who may see it. */
export abstract class DossierRow<State> {
  @PrimaryColumn('uuid')
  id!: string;

  /** The organisation that asks and holds. */
  @Column('uuid', { name: 'organisation_id' })
  organisationId!: string;

  /** Divisions of its cameras: whose jurisdiction covers them all may see it (Art. 4.2). */
  @Column('text', { array: true })
  divisions!: string[];

  @Column('text')
  status!: string;

  @Column('jsonb')
  state!: State;

  @Column('timestamptz', { name: 'changed_at' })
  changedAt!: Date;
}

@Entity('access_request')
export class AccessRequestRow extends DossierRow<AccessRequestState> {}

@Entity('access_grant')
export class GrantRow extends DossierRow<GrantState> {}

@Entity('retrieval_session')
export class RetrievalSessionRow extends DossierRow<RetrievalSessionState> {}
