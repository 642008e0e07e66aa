export { covers, type Division, findDivision } from './divisions.js';
export { EventDivisions, liesIn } from './event-divisions.js';
export { type Article, gz117 } from './gz117.js';
export { LIMITS, PROHIBITED_PLACES, type ProhibitedPlace, SITE_CATEGORIES, type SiteCategory } from './provisions.js';
export { ruleText } from './rule-text.js';
export { type Belonging, bureauStanding, partyStanding, requireStanding, type Standing } from './standing.js';
