export { AccessModule } from './access.module.js';
export { accessRefusals } from './access.refusals.js';
export { accessRequestEvents } from './access-request/access-request.events.js';
export { grantEvents } from './grant/grant.events.js';
export { clipDecisionEvents, playbackEvents } from './playback/playback.events.js';
export { retrievalSessionEvents } from './retrieval-session/retrieval-session.events.js';
