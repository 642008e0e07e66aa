export { cameraFeedEvents } from './connection/camera-feed.events.js';
export { type ConnectionEvent, connectionEvents } from './connection/connection.events.js';
export { IntegrationModule } from './integration.module.js';
export { integrationRefusals } from './integration.refusals.js';
