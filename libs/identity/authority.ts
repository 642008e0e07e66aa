import type { Principal, Role } from '#libs/kernel';
import { covers } from '#libs/regulation';
import { identityRefusals } from './identity.refusals.js';

/** Who keeps the register of organisations, people and clients; `system` is the hub itself at its first start. */
export type Registrar = Principal | { readonly kind: 'system'; readonly id: string };

/** The hub operator registers; it sees no video and no personal data and approves nothing. */
export const REGISTRAR_ROLES: readonly Role[] = ['hub-operator'];

/** Those who file enforcement credentials: the operator, and the bureau with jurisdiction (Art. 16(2), 19). */
export const FILING_ROLES: readonly Role[] = ['hub-operator', 'psb-filing-officer'];

/** Those who may read clear text of people, each reading on record; never the operator. */
export const PERSONAL_DATA_ROLES: readonly Role[] = ['psb-filing-officer', 'auditor'];

/** @throws Refusal `identity.not-the-registrar` */
export function requireRegistrar(by: Registrar): void {
  if (by.kind === 'system' || by.roles.includes('hub-operator')) return;
  throw identityRefusals['identity.not-the-registrar']('the hub operator keeps this register');
}

/** @throws Refusal `identity.not-the-registrar` or `identity.outside-jurisdiction` (Art. 4.2) */
export function requireFiler(by: Registrar, division: string): void {
  if (by.kind !== 'system' && by.roles.includes('psb-filing-officer')) requireJurisdiction(by, division);
  else requireRegistrar(by);
}

/** @throws Refusal `identity.outside-jurisdiction` (Art. 4.2) */
export function requireJurisdiction({ organisation }: Principal, division: string): void {
  if (covers(organisation.division, division)) return;
  throw identityRefusals['identity.outside-jurisdiction'](
    `division ${division} is not covered by ${organisation.division}`,
    { division, jurisdiction: organisation.division },
  );
}
