import type { Principal } from '#libs/kernel';
import { type Belonging, bureauStanding, partyStanding, requireStanding } from '#libs/regulation';
import { integrationRefusals } from './integration.refusals.js';

const outsideJurisdiction = integrationRefusals['integration.outside-jurisdiction'];

/**
 * Lets through clerks of the managing unit and filing officers with jurisdiction.
 * @throws Refusal `integration.outside-jurisdiction` (Art. 4.2) or `integration.not-your-unit`
 */
export function requireParty(by: Principal, belonging: Belonging): void {
  requireStanding(partyStanding(by, belonging), by, belonging.division, {
    stranger: () =>
      integrationRefusals['integration.not-your-unit'](
        'only its managing unit or the public security organ may do this',
      ),
    outsideJurisdiction,
  });
}

/**
 * Lets through filing officers with jurisdiction only (Art. 4.2, 7).
 * @throws Refusal `integration.approval-without-bureau` or `integration.outside-jurisdiction`
 */
export function requireApprovingBureau(by: Principal, division: string): void {
  requireStanding(bureauStanding(by, division), by, division, {
    stranger: () =>
      integrationRefusals['integration.approval-without-bureau']('the role of a filing officer is needed'),
    outsideJurisdiction,
  });
}
