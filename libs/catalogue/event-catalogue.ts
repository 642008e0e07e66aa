import {
  accessRefusals,
  accessRequestEvents,
  clipDecisionEvents,
  grantEvents,
  playbackEvents,
  retrievalSessionEvents,
} from '#libs/access';
import { auditReadingEvents, auditRefusals } from '#libs/audit';
import { commandRefusals } from '#libs/event-store';
import { apiClientEvents, identityRefusals, organisationEvents, personEvents, signInEvents } from '#libs/identity';
import { cameraFeedEvents, connectionEvents, integrationRefusals } from '#libs/integration';
import { EventCatalogue, type RefusalDeclaration } from '#libs/kernel';
import { clipEvents, mediaRefusals, recordingEvents } from '#libs/media';
import { platformRefusals } from '#libs/platform';
import { cameraEvents, gbDeviceEvents, registryRefusals, siteEvents, videoSystemEvents } from '#libs/registry';
import { personalDataEvents, vaultRefusals } from '#libs/vault';

/** Every event of every service: what the store checks, docs/events.md shows and the audit service explains. */
export const catalogue = new EventCatalogue([
  organisationEvents,
  personEvents,
  apiClientEvents,
  signInEvents,
  siteEvents,
  videoSystemEvents,
  cameraEvents,
  gbDeviceEvents,
  connectionEvents,
  cameraFeedEvents,
  accessRequestEvents,
  grantEvents,
  retrievalSessionEvents,
  playbackEvents,
  clipDecisionEvents,
  recordingEvents,
  clipEvents,
  auditReadingEvents,
  personalDataEvents,
]);

/** Every refusal of every service, by code. */
export const refusals: Readonly<Record<string, RefusalDeclaration>> = Object.assign(
  {},
  ...[
    accessRefusals,
    auditRefusals,
    commandRefusals,
    identityRefusals,
    integrationRefusals,
    mediaRefusals,
    platformRefusals,
    registryRefusals,
    vaultRefusals,
  ].map(({ declarations }) => declarations),
);
