import type { Principal } from '#libs/kernel';
import { covers } from '#libs/regulation';
import { integrationRefusals } from './integration.refusals.js';

/** Where a camera belongs: the unit that runs it and the division that it stands in. */
export interface Belonging {
  readonly managingUnitId: string;
  readonly division: string;
}

function isBureauWithJurisdiction({ roles, organisation }: Principal, division: string): boolean {
  return (
    roles.includes('psb-filing-officer') &&
    organisation.kind === 'public-security-organ' &&
    covers(organisation.division, division)
  );
}

/**
 * Lets through clerks of the managing unit and filing officers with jurisdiction.
 * @throws Refusal `integration.outside-jurisdiction` (Art. 4.2) or `integration.not-your-unit`
 */
export function requireParty(by: Principal, { managingUnitId, division }: Belonging): void {
  if (by.roles.includes('managing-unit-clerk') && by.organisation.id === managingUnitId) return;
  if (isBureauWithJurisdiction(by, division)) return;
  if (by.roles.includes('psb-filing-officer')) throw outside(by, division);
  throw integrationRefusals['integration.not-your-unit'](
    'only its managing unit or the public security organ may do this',
  );
}

/**
 * Lets through filing officers with jurisdiction only (Art. 4.2, 7).
 * @throws Refusal `integration.approval-without-bureau` or `integration.outside-jurisdiction`
 */
export function requireApprovingBureau(by: Principal, division: string): void {
  if (isBureauWithJurisdiction(by, division)) return;
  if (by.roles.includes('psb-filing-officer')) throw outside(by, division);
  throw integrationRefusals['integration.approval-without-bureau']('the role of a filing officer is needed');
}

function outside({ organisation }: Principal, division: string) {
  return integrationRefusals['integration.outside-jurisdiction'](
    `division ${division} is not covered by ${organisation.division}`,
    { division, jurisdiction: organisation.division },
  );
}
