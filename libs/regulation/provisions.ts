import type { RuleId } from '#libs/kernel';

/** One of the fourteen kinds of places that must have a video system (Art. 8.1). */
export interface SiteCategory {
  readonly id: RuleId;
  readonly item: number;
  readonly gloss: string;
}

const category = (item: number, gloss: string): SiteCategory => ({ id: `gz117:8.1(${item})`, item, gloss });

/** Art. 8.1, items 1 to 14. */
export const SITE_CATEGORIES: readonly SiteCategory[] = [
  category(1, 'production, storage or sale of weapons, explosives, poisons, radioactive or precursor substances'),
  category(2, 'laboratories and stores of infectious agents'),
  category(3, 'key state research institutes, archives and libraries'),
  category(4, 'museums, memorials, exhibition halls, protected cultural sites'),
  category(5, 'vaults, banks, cash transport, financial data centres'),
  category(6, 'key parts of state organs, broadcasters, newspapers'),
  category(7, 'key parts of telecommunications, post, energy, water, gas, fuel'),
  category(8, 'airports, ports, stations, motorways, key roads, junctions, tunnels, bridges, underpasses'),
  category(9, 'lobbies, corridors and entrances of hotels, entertainment venues, internet cafés'),
  category(10, 'large stores of material, shopping centres and streets, large markets'),
  category(11, 'stadiums, scenic areas, parks, squares, hospitals, schools, car parks, residential entrances'),
  category(12, 'passenger ships and public transport vehicles'),
  category(13, 'dykes, reservoirs, flood control and other important water works'),
  category(14, 'other places for which a law, regulation or rule requires it'),
];

/** One of the six kinds of places where no video system may be installed (Art. 9.1). */
export interface ProhibitedPlace {
  readonly id: RuleId;
  readonly place: string;
  readonly gloss: string;
}

/** Art. 9.1, items 1 to 6; `place` is the word that the API uses. */
export const PROHIBITED_PLACES = [
  {
    id: 'gz117:9.1(1)',
    place: 'hotel-room-or-private-box',
    gloss: 'hotel rooms, private boxes of entertainment venues',
  },
  { id: 'gz117:9.1(2)', place: 'dormitory', gloss: 'shared dormitories' },
  { id: 'gz117:9.1(3)', place: 'bathroom-or-changing-room', gloss: 'bathrooms, changing rooms, toilets' },
  {
    id: 'gz117:9.1(4)',
    place: 'customer-data-counter',
    gloss: 'counters of financial institutions that show customer data',
  },
  { id: 'gz117:9.1(5)', place: 'ballot-place', gloss: 'ballot boxes and polling places' },
  { id: 'gz117:9.1(6)', place: 'other-private-place', gloss: 'other places that touch personal privacy' },
] as const satisfies readonly ProhibitedPlace[];

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** Numbers of the regulation and of its implementation; durations in milliseconds. */
export const LIMITS = {
  /** Art. 16(1). */
  investigatorsMin: 2,
  /** Both investigators authenticate in person within this time of each other (implementation of Art. 16(1)). */
  checkInWindowMs: 10 * MINUTE_MS,
  /** Issuers of enforcement credentials, Art. 16(2). */
  credentialIssuers: ['provincial-government', 'state-council-ministry'],
  /** Longest standing share before it must be renewed (implementation of Art. 7). */
  shareMs: 365 * DAY_MS,
  /** Shortest retention of recordings, Art. 17(8). */
  retentionMs: 30 * DAY_MS,
} as const;
