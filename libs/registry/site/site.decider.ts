import type { z } from 'zod';
import type { Decider, Principal, StreamDefinition } from '#libs/kernel';
import { requireParty } from '../authority.js';
import { registryRefusals } from '../registry.refusals.js';
import { type SiteEvent, type siteData, siteEvents } from './site.events.js';

export type SiteState = { readonly status: 'absent' } | { readonly status: 'registered' };

export interface RegisterSite {
  readonly type: 'RegisterSite';
  readonly by: Principal;
  readonly at: string;
  readonly site: z.output<typeof siteData>;
}

export const siteDecider: Decider<SiteState, RegisterSite, SiteEvent> = {
  initialState: () => ({ status: 'absent' }),

  decide({ by, site }, state) {
    requireParty(by, site);
    if (state.status !== 'absent') throw registryRefusals['registry.already-registered']('the site is registered');
    return [{ type: 'SiteRegistered', data: site, rules: [site.category] }];
  },

  evolve(_state, event) {
    switch (event.type) {
      case 'SiteRegistered':
        return { status: 'registered' };
    }
  },
};

export const siteStream: StreamDefinition<SiteState, RegisterSite, SiteEvent> = {
  events: siteEvents,
  decider: siteDecider,
};
