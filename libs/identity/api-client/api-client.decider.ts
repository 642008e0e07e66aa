import type { Decider, PrincipalOrganisation, StreamDefinition } from '#libs/kernel';
import { type Registrar, requireRegistrar } from '../authority.js';
import { identityRefusals } from '../identity.refusals.js';
import { type ApiClientEvent, apiClientEvents, type PublicJwks } from './api-client.events.js';

export type ApiClientState =
  | { readonly status: 'absent' }
  | {
      readonly status: 'active' | 'deactivated';
      readonly organisationId: string;
      readonly name: string;
      readonly jwks: PublicJwks;
    };

interface ByWhom {
  readonly by: Registrar;
  readonly at: string;
}

export type ApiClientCommand = ByWhom &
  (
    | {
        readonly type: 'RegisterApiClient';
        readonly organisation: PrincipalOrganisation | undefined;
        readonly name: string;
        readonly jwks: PublicJwks;
        /** The person who answers for the client, as they are known now. */
        readonly contact:
          | { readonly id: string; readonly organisationId: string; readonly active: boolean }
          | undefined;
      }
    | { readonly type: 'ReplaceKeys'; readonly jwks: PublicJwks }
    | { readonly type: 'DeactivateApiClient'; readonly reason: string }
  );

export const apiClientDecider: Decider<ApiClientState, ApiClientCommand, ApiClientEvent> = {
  initialState: () => ({ status: 'absent' }),

  decide(command, state) {
    requireRegistrar(command.by);
    if (command.type === 'RegisterApiClient') {
      if (state.status !== 'absent') throw identityRefusals['identity.already-registered']('the client is registered');
      const { organisation, contact, name, jwks } = command;
      if (organisation === undefined) throw identityRefusals['identity.no-such-organisation']('not registered');
      if (contact?.active !== true) throw identityRefusals['identity.no-such-person']('the contact is not registered');
      if (contact.organisationId !== organisation.id) {
        throw identityRefusals['identity.contact-elsewhere'](`organisation ${contact.organisationId}`);
      }
      const data = { organisationId: organisation.id, name, jwks, contactPersonId: contact.id };
      return [{ type: 'ApiClientRegistered', data }];
    }
    if (state.status === 'absent') throw identityRefusals['identity.no-such-client']('not registered');
    if (state.status === 'deactivated') throw identityRefusals['identity.deactivated']('the client is deactivated');
    switch (command.type) {
      case 'ReplaceKeys':
        return [{ type: 'ApiClientKeysReplaced', data: { jwks: command.jwks } }];
      case 'DeactivateApiClient':
        return [{ type: 'ApiClientDeactivated', data: { reason: command.reason } }];
    }
  },

  evolve(state, event) {
    if (event.type === 'ApiClientRegistered') {
      const { organisationId, name, jwks } = event.data;
      return { status: 'active', organisationId, name, jwks };
    }
    if (state.status === 'absent') return state;
    switch (event.type) {
      case 'ApiClientKeysReplaced':
        return { ...state, jwks: event.data.jwks };
      case 'ApiClientDeactivated':
        return { ...state, status: 'deactivated' };
    }
  },
};

export const apiClientStream: StreamDefinition<ApiClientState, ApiClientCommand, ApiClientEvent> = {
  events: apiClientEvents,
  decider: apiClientDecider,
};
