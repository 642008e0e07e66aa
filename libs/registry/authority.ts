import type { Principal, Role } from '#libs/kernel';
import { covers } from '#libs/regulation';
import { registryRefusals } from './registry.refusals.js';

/** Roles that register and file; whether this very thing is theirs is decided by {@link requireParty}. */
export const ACTING_ROLES: readonly Role[] = ['managing-unit-clerk', 'psb-filing-officer'];

/** Roles that see the register; what of it is said by `visibleTo`. */
export const READING_ROLES: readonly Role[] = [...ACTING_ROLES, 'psb-responsible-person', 'auditor'];

/** Where a thing belongs: the unit that runs it and the division that it stands in. */
export interface Belonging {
  readonly managingUnitId: string;
  readonly division: string;
}

/** Whether the principal is a filing officer of a public security organ whose jurisdiction covers the division. */
function isBureauWithJurisdiction({ roles, organisation }: Principal, division: string): boolean {
  return (
    roles.includes('psb-filing-officer') &&
    organisation.kind === 'public-security-organ' &&
    covers(organisation.division, division)
  );
}

/**
 * Lets through clerks of the managing unit and filing officers with jurisdiction.
 * @throws Refusal `registry.outside-jurisdiction` (Art. 4.2) or `registry.not-your-unit`
 */
export function requireParty(by: Principal, { managingUnitId, division }: Belonging): void {
  if (by.roles.includes('managing-unit-clerk') && by.organisation.id === managingUnitId) return;
  if (isBureauWithJurisdiction(by, division)) return;
  if (by.roles.includes('psb-filing-officer')) throw outside(by, division);
  throw registryRefusals['registry.not-your-unit']('only its managing unit or the public security organ may do this');
}

/**
 * Lets through filing officers with jurisdiction only (Art. 4.2, 13.2).
 * @throws Refusal `registry.acceptance-without-bureau` or `registry.outside-jurisdiction`
 */
export function requireBureauAtAcceptance(by: Principal, division: string): void {
  if (isBureauWithJurisdiction(by, division)) return;
  if (by.roles.includes('psb-filing-officer')) throw outside(by, division);
  throw registryRefusals['registry.acceptance-without-bureau'](
    'a filing officer of the public security organ records the acceptance',
  );
}

function outside({ organisation }: Principal, division: string) {
  return registryRefusals['registry.outside-jurisdiction'](
    `division ${division} is not covered by ${organisation.division}`,
    { division, jurisdiction: organisation.division },
  );
}
