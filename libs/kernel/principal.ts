/** Roles of docs/regulation; each is given and taken by events. */
export const ROLES = [
  'hub-operator',
  'managing-unit-clerk',
  'department-officer',
  'psb-filing-officer',
  'psb-responsible-person',
  'auditor',
] as const;

export type Role = (typeof ROLES)[number];

export const ORGANISATION_KINDS = [
  'government',
  'public-security-organ',
  'administrative-department',
  'managing-unit',
  'cooperating-utility',
  'audit-office',
] as const;

export type OrganisationKind = (typeof ORGANISATION_KINDS)[number];

export const ORGANISATION_LEVELS = ['province', 'prefecture', 'county'] as const;

export type OrganisationLevel = (typeof ORGANISATION_LEVELS)[number];

export const POWERS = ['emergency-handling', 'law-enforcement'] as const;

export type Power = (typeof POWERS)[number];

/** The organisation that a principal acts for, as of now. */
export interface PrincipalOrganisation {
  readonly id: string;
  readonly kind: OrganisationKind;
  readonly level: OrganisationLevel;
  /** GB/T 2260 code, 2, 4 or 6 digits; covers every code that it is a prefix of. */
  readonly division: string;
  readonly powers: readonly Power[];
}

/** Who is asking: authenticated by a token, with roles as the events say at this moment. Plain JSON. */
export interface Principal {
  readonly kind: 'person' | 'client';
  readonly id: string;
  readonly organisation: PrincipalOrganisation;
  readonly roles: readonly Role[];
  /** When the person last authenticated with password and second factor, ms since the epoch; clients: token issue. */
  readonly authenticatedAt: number;
}
