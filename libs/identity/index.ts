export { AdministratorBootstrap } from './administrator-bootstrap.js';
export { type ApiClientEvent, apiClientEvents } from './api-client/api-client.events.js';
export { IdentityModule, TokenModule } from './identity.module.js';
export { type ClientKeys, IdentityPort, type Subject } from './identity.port.js';
export { identityRefusals } from './identity.refusals.js';
export { publicJwks } from './openid/token-authenticator.js';
export { type OrganisationEvent, organisationEvents } from './organisation/organisation.events.js';
export { type PersonEvent, personEvents } from './person/person.events.js';
export { type SignInEvent, signInEvents } from './sign-in/sign-in.events.js';
