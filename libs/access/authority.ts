import type { Principal, Role } from '#libs/kernel';
import { covers } from '#libs/regulation';
import { accessRefusals } from './access.refusals.js';
import type { CameraFact, OrganisationFact } from './terms.js';

/** Roles that ask for access and hold sessions; whether the basis is open to their organisation is decided later. */
export const ASKING_ROLES: readonly Role[] = ['department-officer', 'psb-filing-officer', 'psb-responsible-person'];

/** Roles that see requests, grants and sessions; which ones is said by `Dossiers`. */
export const READING_ROLES: readonly Role[] = [...ASKING_ROLES, 'auditor'];

/**
 * The responsible person (负责人) of a public security organ of county level or above, Art. 15.1.
 * @throws Refusal `access.not-responsible-person`
 */
export function responsiblePerson(by: Principal): void {
  const organ = by.organisation.kind === 'public-security-organ';
  if (by.kind !== 'person' || !organ || !by.roles.includes('psb-responsible-person')) {
    throw accessRefusals['access.not-responsible-person']('the role and the organ are both needed');
  }
}

/** @throws Refusal `access.outside-jurisdiction` naming the cameras that the division does not cover (Art. 4.2) */
export function jurisdiction(outer: string, cameras: readonly CameraFact[]): void {
  const outside = cameras.filter(({ division }) => !covers(outer, division)).map(({ id }) => id);
  if (outside.length > 0) {
    throw accessRefusals['access.outside-jurisdiction'](`${outside.length} cameras lie outside ${outer}`, {
      cameraIds: outside,
    });
  }
}

/** @throws Refusal `access.unknown-camera` naming the ids of which the read model knows no camera */
export function knownCameras(wanted: readonly string[], cameras: readonly CameraFact[]): void {
  const known = new Set(cameras.map(({ id }) => id));
  const unknown = wanted.filter((id) => !known.has(id));
  if (unknown.length > 0) throw accessRefusals['access.unknown-camera']('not registered', { cameraIds: unknown });
}

/** A standing share reaches integrated, government-funded systems only, Art. 7. */
export function shareable(cameras: readonly CameraFact[]): void {
  for (const { id, integrated, funding } of cameras) {
    if (funding !== 'government') {
      throw accessRefusals['access.not-government-funded'](`camera ${id}`, { cameraId: id });
    }
    if (!integrated) throw accessRefusals['access.not-integrated'](`camera ${id}`, { cameraId: id });
  }
}

/** A public security organ decides; every level that exists is county level or above. */
export function isDecidingOrgan(organisation: OrganisationFact | undefined): organisation is OrganisationFact {
  return organisation?.kind === 'public-security-organ';
}

/** Divisions of cameras, each once, in order. */
export function divisionsOf(cameras: readonly CameraFact[]): string[] {
  return [...new Set(cameras.map(({ division }) => division))].sort();
}
