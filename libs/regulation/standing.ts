import type { Principal, Refusal } from '#libs/kernel';
import { covers } from './divisions.js';

/** Where a thing belongs: the unit that runs it and the division that it stands in. */
export interface Belonging {
  readonly managingUnitId: string;
  readonly division: string;
}

/** How somebody stands to a thing: may act on it, is a bureau of another jurisdiction (Art. 4.2), or neither. */
export type Standing = 'party' | 'outside-jurisdiction' | 'stranger';

/** Standing of a filing officer: a public security organ acts inside its jurisdiction only (Art. 4.2). */
export function bureauStanding({ roles, organisation }: Principal, division: string): Standing {
  if (!roles.includes('psb-filing-officer')) return 'stranger';
  const competent = organisation.kind === 'public-security-organ' && covers(organisation.division, division);
  return competent ? 'party' : 'outside-jurisdiction';
}

/** Standing of whoever registers and files: clerks of the managing unit, or the bureau with jurisdiction. */
export function partyStanding(by: Principal, { managingUnitId, division }: Belonging): Standing {
  if (by.roles.includes('managing-unit-clerk') && by.organisation.id === managingUnitId) return 'party';
  return bureauStanding(by, division);
}

/** Makes the refusals of somebody who may not act. */
interface StandingRefusals {
  readonly stranger: () => Refusal;
  readonly outsideJurisdiction: (detail: string, facts: { division: string; jurisdiction: string }) => Refusal;
}

/** Lets through whoever may act on a thing of a division. @throws Refusal one of the two */
export function requireStanding(
  standing: Standing,
  { organisation }: Principal,
  division: string,
  { stranger, outsideJurisdiction }: StandingRefusals,
): void {
  if (standing === 'party') return;
  if (standing === 'stranger') throw stranger();
  throw outsideJurisdiction(`division ${division} is not covered by ${organisation.division}`, {
    division,
    jurisdiction: organisation.division,
  });
}
