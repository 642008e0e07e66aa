import { z } from 'zod';
import type { OrganisationKind, OrganisationLevel } from '#libs/kernel';

/** What may be done with video: 查阅 view, 复制 copy, 调取 retrieve, 接入 connect, 直接使用 direct-use (Art. 15). */
const ACTS = ['view', 'copy', 'retrieve', 'connect', 'direct-use'] as const;
export type Act = (typeof ACTS)[number];

/** Legal bases of access. `gz117:15.2` (emergency) is named so that it can be refused clearly until it is offered. */
const BASES = ['gz117:15.1', 'gz117:15.2', 'gz117:15.3', 'gz117:7'] as const;
export type Basis = (typeof BASES)[number];

/** Acts that each basis opens; undefined where the basis is not offered yet. */
export const ACTS_OF: Readonly<Record<Basis, readonly Act[] | undefined>> = {
  'gz117:15.1': ACTS,
  'gz117:15.2': undefined,
  'gz117:15.3': ['view', 'copy', 'retrieve'],
  'gz117:7': ['view', 'connect'],
};

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** Bounds of the implementation, durations in milliseconds; those of the law are LIMITS in the regulation library. */
export const BOUNDS = {
  camerasMax: 100,
  personsMax: 20,
  /** Longest range of recordings that one request may name. */
  windowMs: 31 * DAY_MS,
  /** Longest validity of a grant under Art. 15. */
  validityMs: 90 * DAY_MS,
  /** How long after the first check-in a session may still start: both investigators must still be there. */
  preparationMs: HOUR_MS,
  /** How long a started session lasts before both must check in again in a new one. */
  sessionMs: 12 * HOUR_MS,
  /** Longest life of a ticket before it must be renewed. */
  ticketMs: MINUTE_MS,
} as const;

/** What stands instead of a name, wherever a person could be meant. */
const NO_NAMES = 'no names of persons, no document or telephone numbers: it stands in the record for ever';

export const entityId = z.guid();
export const instant = z.iso.datetime().describe('ISO 8601, UTC');
export const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'SHA-256 in lower-case hexadecimal');
const act = z.enum(ACTS);
export const basis = z.enum(BASES);
export const division = z.string().regex(/^\d{2}(\d{2}){0,2}$/);
export const freeText = (max: number) => z.string().trim().min(1).max(max).describe(NO_NAMES);
const cameraIds = z.array(entityId).min(1).max(BOUNDS.camerasMax);
export const windowOf = z.strictObject({ from: instant, to: instant }).describe('range of recordings, end excluded');
export const law = z
  .strictObject({ name: z.string().trim().min(1).max(200), article: z.string().trim().min(1).max(50) })
  .describe('law, regulation or rule that the request rests on, by name and article');
export const holder = z.strictObject({ kind: z.enum(['person', 'client']), id: entityId });

export type Window = z.output<typeof windowOf>;

/** What a grant opens; an approval may shorten each part and widen none. */
export const scope = {
  acts: z.array(act).min(1).max(ACTS.length),
  cameraIds,
  live: z.boolean(),
  window: windowOf.optional(),
  validFrom: instant,
  validTo: instant,
};

/** A camera as the read model knows it. */
export interface CameraFact {
  readonly id: string;
  readonly division: string;
  readonly funding: 'government' | 'other';
  /** Whether an interface connection to it is open now. */
  readonly integrated: boolean;
}

/** A person as the read model knows them. */
export interface PersonFact {
  readonly id: string;
  readonly organisationId: string;
  readonly active: boolean;
  /** Enforcement credentials that are filed and not withdrawn, also those out of date. */
  readonly credentials: readonly CredentialFact[];
}

export interface CredentialFact {
  readonly id: string;
  readonly issuer: string;
  readonly validFrom: string;
  readonly validTo: string;
}

export interface OrganisationFact {
  readonly id: string;
  readonly kind: OrganisationKind;
  readonly level: OrganisationLevel;
  readonly division: string;
}

export interface ClientFact {
  readonly id: string;
  readonly organisationId: string;
  readonly active: boolean;
}

/** Milliseconds since the epoch of an ISO time. */
export const ms = (iso: string): number => Date.parse(iso);
