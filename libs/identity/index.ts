export { type ClientKeys, IdentityPort, type Subject } from './identity.port.js';
export { identityRefusals } from './identity.refusals.js';
