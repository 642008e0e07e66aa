import type { Principal, Role } from '#libs/kernel';
import { type Belonging, bureauStanding, partyStanding, requireStanding } from '#libs/regulation';
import { registryRefusals } from './registry.refusals.js';

/** Roles that register and file; whether this very thing is theirs is decided by {@link requireParty}. */
export const ACTING_ROLES: readonly Role[] = ['managing-unit-clerk', 'psb-filing-officer'];

/** Roles that see the register; what of it is said by `visibleTo`. */
export const READING_ROLES: readonly Role[] = [...ACTING_ROLES, 'psb-responsible-person', 'auditor'];

const outsideJurisdiction = registryRefusals['registry.outside-jurisdiction'];

/**
 * Lets through clerks of the managing unit and filing officers with jurisdiction.
 * @throws Refusal `registry.outside-jurisdiction` (Art. 4.2) or `registry.not-your-unit`
 */
export function requireParty(by: Principal, belonging: Belonging): void {
  requireStanding(partyStanding(by, belonging), by, belonging.division, {
    stranger: () =>
      registryRefusals['registry.not-your-unit']('only its managing unit or the public security organ may do this'),
    outsideJurisdiction,
  });
}

/**
 * Lets through filing officers with jurisdiction only (Art. 4.2, 13.2).
 * @throws Refusal `registry.acceptance-without-bureau` or `registry.outside-jurisdiction`
 */
export function requireBureauAtAcceptance(by: Principal, division: string): void {
  requireStanding(bureauStanding(by, division), by, division, {
    stranger: () =>
      registryRefusals['registry.acceptance-without-bureau'](
        'a filing officer of the public security organ records the acceptance',
      ),
    outsideJurisdiction,
  });
}
