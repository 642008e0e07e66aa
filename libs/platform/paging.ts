import { z } from 'zod';

/** Most items of one page of a list. */
export const PAGE_ITEMS_MAX = 100;

/** Fields of a list's query: a page of items behind a cursor, which is the `nextCursor` of the page before. */
export const pageQuery = {
  limit: z.coerce.number().int().min(1).max(PAGE_ITEMS_MAX).default(50),
  cursor: z.guid().optional(),
};

/** Schema of one page of a list. */
export function pageOf<Item extends z.ZodType>(item: Item) {
  return z.object({
    items: z.array(item),
    nextCursor: z.guid().nullable().describe('null on the last page'),
  });
}

/** One page from rows in the order of their ids, of which one more than `limit` was read. */
export function toPage<Row extends { readonly id: string }>(rows: readonly Row[], limit: number) {
  const items = rows.slice(0, limit);
  return { items, nextCursor: rows.length > limit ? items.at(-1)!.id : null };
}
