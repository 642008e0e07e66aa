import { eventTypeFilter, type Filter, streamNameFilter } from '@kurrent/kurrentdb-client';
import type { EventFilter } from '../port.js';

/** Category of the streams that say where an id stands. */
export const ID_CATEGORY = 'eventId';

/** Every stream but the server's own and those of the ids. */
const DOMAIN_STREAMS = `^(?!\\$|${ID_CATEGORY}-).*`;

/** Only what the server itself keeps out of the way; the exact filter is applied again to what comes. */
export function serverFilter({ categories, types }: EventFilter): Filter {
  if (categories !== undefined && categories.length > 0) {
    return streamNameFilter({ prefixes: categories.map((category) => `${category}-`) });
  }
  if (types !== undefined && types.length > 0) return eventTypeFilter({ prefixes: [...types] });
  return streamNameFilter({ regex: DOMAIN_STREAMS });
}
