export { catalogue, refusals } from './event-catalogue.js';
export { categoriesOf, HUB_RIGHTS, type ProcessWithRights, rightsOf, type ServiceRights } from './service-rights.js';
