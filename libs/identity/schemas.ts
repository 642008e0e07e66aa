import { z } from 'zod';
import { findDivision } from '#libs/regulation';

/** Id of an entity: a UUID. */
export const id = z.guid();

/** Name of an organisation, an office or a program; never of a person. */
export const publicName = z.string().trim().min(1).max(200);

/** Free text that stands in the record for ever. */
export const text = z.string().trim().min(1).max(500).describe('no names, document or telephone numbers of persons');

/** GB/T 2260 code of a division of Guizhou in force: 2, 4 or 6 digits. */
export const division = z
  .string()
  .max(6)
  .refine((code) => findDivision(code) !== undefined, 'no division of Guizhou in force');

/** Keyed commitment to personal data; the clear text is in the vault. */
export const commitment = z.string().regex(/^hmac-sha256:[A-Za-z0-9_-]{43}$/, 'a commitment of the vault');

/** Moment, ISO 8601 UTC. */
export const instant = z.iso.datetime().describe('ISO 8601, UTC');
