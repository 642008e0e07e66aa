import { Inject, Injectable } from '@nestjs/common';
import { EventStore, type RecordedEvent } from '#libs/event-store';
import {
  type DomainCommand,
  type DomainEvent,
  type OrganisationKind,
  type Principal,
  type PrincipalOrganisation,
  type Role,
  type StreamDefinition,
  streamName,
} from '#libs/kernel';
import { type ApiClientState, apiClientStream } from './api-client/api-client.decider.js';
import { type ClientKeys, IdentityPort, type Subject } from './identity.port.js';
import { identityRefusals } from './identity.refusals.js';
import { organisationStream } from './organisation/organisation.decider.js';
import { type PersonState, personStream } from './person/person.decider.js';

/** Clients of departments search and ask as their officers do; clients of other organisations hold no role. */
const CLIENT_ROLES: Partial<Record<OrganisationKind, readonly Role[]>> = {
  'administrative-department': ['department-officer'],
  'public-security-organ': ['department-officer'],
};

/**
 * People, clients and organisations as their streams say at this moment: each question reads the short streams
 * themselves and keeps nothing, so that a role revoked counts at the next request.
 */
@Injectable()
export class IdentityDirectory extends IdentityPort {
  constructor(@Inject(EventStore) private readonly store: EventStore) {
    super();
  }

  override async principal({ kind, id, authenticatedAt }: Subject): Promise<Principal | undefined> {
    // To the second, as tokens count: whoever was signed in before a new enrolment is so no longer.
    let enrolledAt = 0;
    const note = ({ type, metadata }: RecordedEvent) => {
      if (type === 'SignInEnrolled') enrolledAt = Math.floor(Date.parse(metadata.occurredAt) / 1_000) * 1_000;
    };
    const state = kind === 'person' ? await this.#state(personStream, id, note) : await this.client(id);
    if (state.status !== 'active' || authenticatedAt < enrolledAt) return undefined;
    const organisation = await this.organisation(state.organisationId);
    const roles = 'roles' in state ? state.roles : (CLIENT_ROLES[organisation.kind] ?? []);
    return { kind, id, organisation, roles, authenticatedAt };
  }

  override async clientKeys(clientId: string): Promise<ClientKeys | undefined> {
    const client = await this.client(clientId);
    if (client.status !== 'active') return undefined;
    return { organisationId: client.organisationId, jwks: client.jwks };
  }

  person(id: string): Promise<PersonState> {
    return this.#state(personStream, id);
  }

  client(id: string): Promise<ApiClientState> {
    return this.#state(apiClientStream, id);
  }

  async isOrganisation(id: string): Promise<boolean> {
    return (await this.#state(organisationStream, id)).status !== 'absent';
  }

  /** @throws Refusal `identity.no-such-organisation` */
  async organisation(id: string): Promise<PrincipalOrganisation> {
    const state = await this.#state(organisationStream, id);
    if (state.status === 'absent') throw identityRefusals['identity.no-such-organisation'](id);
    const { kind, level, division, powers } = state;
    return { id, kind, level, division, powers };
  }

  /** The organisation that a person works or worked for. @throws Refusal `identity.no-such-person` */
  async employer(personId: string): Promise<PrincipalOrganisation> {
    const person = await this.person(personId);
    if (person.status === 'absent') throw identityRefusals['identity.no-such-person'](personId);
    return this.organisation(person.organisationId);
  }

  async #state<State, Command extends DomainCommand, Event extends DomainEvent>(
    { events, decider }: StreamDefinition<State, Command, Event>,
    id: string,
    note: (event: RecordedEvent) => void = () => undefined,
  ): Promise<State> {
    let state = decider.initialState();
    for await (const event of this.store.readStream(streamName(events.category, id))) {
      note(event);
      state = decider.evolve(state, event as unknown as Event);
    }
    return state;
  }
}
