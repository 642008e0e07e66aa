import type { Principal } from '#libs/kernel';

/** Conditions of which a row must meet one to be seen; a division covers those below it. */
export type Visible = readonly ({ readonly managingUnitId: string } | { readonly division: string })[];

/**
 * What of the register a principal sees in full: clerks what their unit manages, public security organs and auditors
 * what lies in their jurisdiction (Art. 4.2, 19), others nothing.
 */
export function visibleTo({ roles, organisation }: Principal): Visible {
  const supervises = roles.some((r) => r === 'psb-filing-officer' || r === 'psb-responsible-person' || r === 'auditor');
  return [
    ...(roles.includes('managing-unit-clerk') ? [{ managingUnitId: organisation.id }] : []),
    ...(supervises ? [{ division: organisation.division }] : []),
  ];
}
