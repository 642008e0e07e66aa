import { z } from 'zod';
import { findDivision, SITE_CATEGORIES } from '#libs/regulation';

/** Id of an entity: a UUID. */
export const id = z.guid();

/** Name of a thing or an organisation; never of a person. */
export const name = z.string().trim().min(1).max(200);

/** Free text of a reason or purpose. */
export const text = z.string().trim().min(1).max(1_000);

/** Calendar day in China, `YYYY-MM-DD`. */
export const day = z.iso.date();

/** GB/T 2260 code of a division of Guizhou in force: 2, 4 or 6 digits. */
export const division = z
  .string()
  .max(6)
  .refine((code) => findDivision(code) !== undefined, 'no division of Guizhou in force');

/** Kind of site, by the item of Art. 8.1. */
export const siteCategory = z.enum(SITE_CATEGORIES.map(({ id }) => id));

/** SHA-256 of a document, lower-case hex. The document itself lies outside the events. */
export const sha256 = z.string().regex(/^[0-9a-f]{64}$/, '64 lower-case hex digits');

const DOCUMENTS_MAX = 50;

/** Documents of one filing. */
export const documents = z
  .array(z.strictObject({ title: name, sha256 }))
  .min(1)
  .max(DOCUMENTS_MAX);

/** Who pays for a system; only government-funded ones are shared under Art. 7. */
export const funding = z.enum(['government', 'other']);

/** Day in China (UTC+8, no summer time) of a moment in UTC: certificates count in days there. */
export function dayInChina(at: string): string {
  return new Date(Date.parse(at) + 8 * 3_600_000).toISOString().slice(0, 10);
}
