import type { Principal, Refusal } from '#libs/kernel';
import { type Belonging, bureauStanding, partyStanding, type Standing } from '#libs/regulation';
import { integrationRefusals } from './integration.refusals.js';

/**
 * Lets through clerks of the managing unit and filing officers with jurisdiction.
 * @throws Refusal `integration.outside-jurisdiction` (Art. 4.2) or `integration.not-your-unit`
 */
export function requireParty(by: Principal, belonging: Belonging): void {
  requireStanding(partyStanding(by, belonging), by, belonging.division, () =>
    integrationRefusals['integration.not-your-unit']('only its managing unit or the public security organ may do this'),
  );
}

/**
 * Lets through filing officers with jurisdiction only (Art. 4.2, 7).
 * @throws Refusal `integration.approval-without-bureau` or `integration.outside-jurisdiction`
 */
export function requireApprovingBureau(by: Principal, division: string): void {
  requireStanding(bureauStanding(by, division), by, division, () =>
    integrationRefusals['integration.approval-without-bureau']('the role of a filing officer is needed'),
  );
}

function requireStanding(
  standing: Standing,
  { organisation }: Principal,
  division: string,
  stranger: () => Refusal,
): void {
  if (standing === 'stranger') throw stranger();
  if (standing === 'party') return;
  throw integrationRefusals['integration.outside-jurisdiction'](
    `division ${division} is not covered by ${organisation.division}`,
    { division, jurisdiction: organisation.division },
  );
}
