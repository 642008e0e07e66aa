import { And, type FindOperator, Like } from 'typeorm';
import type { Principal } from '#libs/kernel';

/** Conditions of which a row must meet one to be seen; a division covers those below it. */
export type Visible = readonly ({ readonly managingUnitId: string } | { readonly division: string })[];

/**
 * What a principal sees in full of the things that a unit manages in a division: clerks what their unit manages, public security organs and auditors
 * what lies in their jurisdiction (Art. 4.2, 19), others nothing.
 */
export function visibleTo({ roles, organisation }: Principal): Visible {
  const supervises = roles.some((r) => r === 'psb-filing-officer' || r === 'psb-responsible-person' || r === 'auditor');
  return [
    ...(roles.includes('managing-unit-clerk') ? [{ managingUnitId: organisation.id }] : []),
    ...(supervises ? [{ division: organisation.division }] : []),
  ];
}

/**
 * The condition of a query for what may be seen.
 * @param wanted division to narrow it to, with those below it
 */
export function whereVisible(
  visible: Visible[number],
  wanted?: string,
): { readonly managingUnitId?: string; readonly division?: FindOperator<string> } {
  const within = (code: string) => Like(`${code}%`);
  if ('managingUnitId' in visible) return wanted === undefined ? visible : { ...visible, division: within(wanted) };
  const { division } = visible;
  return { division: wanted === undefined ? within(division) : And(within(division), within(wanted)) };
}
