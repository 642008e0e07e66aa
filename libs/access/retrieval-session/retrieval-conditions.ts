import type { Refusal } from '#libs/kernel';
import { LIMITS } from '#libs/regulation';
import { accessRefusals } from '../access.refusals.js';
import type { GrantIssued } from '../grant/grant.events.js';
import { BOUNDS, type CredentialFact, ms, type PersonFact } from '../terms.js';
import type { CheckIn, RegisterEntry } from './retrieval-session.events.js';

/** What has been brought together so far for the five conditions of Art. 16. */
export interface Prepared {
  readonly checkIns: readonly CheckIn[];
  readonly documentSha256: string | undefined;
  readonly entry: RegisterEntry | undefined;
  readonly signedBy: readonly string[];
}

/** Investigators who are there together: named in the grant, authenticated within ten minutes of the last one. */
export function present({ checkIns }: Prepared, grant: GrantIssued): readonly CheckIn[] {
  const named = checkIns.filter(({ personId }) => grant.personIds.includes(personId));
  const last = Math.max(...named.map(({ authenticatedAt }) => ms(authenticatedAt)));
  return named.filter(({ authenticatedAt }) => last - ms(authenticatedAt) <= LIMITS.checkInWindowMs);
}

/**
 * The conditions of Art. 16 that do not hold at this moment, in the order of the article; empty when all five hold.
 * @param persons the investigators as the records know them now
 */
export function unmet(
  prepared: Prepared,
  grant: GrantIssued,
  persons: readonly PersonFact[],
  at: string,
): readonly Refusal[] {
  const together = present(prepared, grant);
  const ids = together.map(({ personId }) => personId);
  const refusals: Refusal[] = [];
  const named = prepared.checkIns.filter(({ personId }) => grant.personIds.includes(personId));
  if (named.length < LIMITS.investigatorsMin) {
    refusals.push(accessRefusals['access.too-few-investigators'](`${named.length} checked in`));
  } else if (together.length < LIMITS.investigatorsMin) {
    refusals.push(accessRefusals['access.check-ins-too-far-apart']('the earlier one must check in again'));
  } else if (together.some(({ authenticatedAt }) => ms(at) - ms(authenticatedAt) > BOUNDS.preparationMs)) {
    refusals.push(accessRefusals['access.check-ins-stale'](`more than ${BOUNDS.preparationMs / 60_000} minutes ago`));
  }
  for (const checkIn of together) {
    const no = credentialProblem(credentialNow(checkIn, persons), at);
    if (no !== undefined) refusals.push(no);
  }
  if (prepared.documentSha256 === undefined) {
    refusals.push(accessRefusals['access.approval-document-missing']('approval-document'));
  } else if (!restsOn(grant, prepared.documentSha256)) {
    refusals.push(accessRefusals['access.approval-document-mismatch']('another document'));
  }
  if (prepared.entry === undefined || !ids.includes(prepared.entry.retrieverId)) {
    refusals.push(accessRefusals['access.register-entry-incomplete']('the retriever must be one of those present'));
  }
  const unsigned = ids.filter((id) => !prepared.signedBy.includes(id));
  if (unsigned.length > 0 || ids.length === 0) {
    refusals.push(accessRefusals['access.undertaking-missing']('each investigator signs', { personIds: unsigned }));
  }
  return refusals;
}

/** Whether the grant rests on the document: its approval, or the certificate of the investigators' unit, Art. 16(3). */
export function restsOn(grant: GrantIssued, documentSha256: string): boolean {
  return documentSha256 === grant.certificateSha256 || documentSha256 === grant.approvalDocumentSha256;
}

/** The credential shown at a check-in, if its holder is still active and it has not been withdrawn since. */
export function credentialNow(checkIn: CheckIn, persons: readonly PersonFact[]): CredentialFact | undefined {
  const person = persons.find(({ id, active }) => active && id === checkIn.personId);
  return person?.credentials.find(({ id }) => id === checkIn.credentialId);
}

/** What is wrong with a credential at this moment, Art. 16(2). */
export function credentialProblem(credential: CredentialFact | undefined, at: string): Refusal | undefined {
  if (credential === undefined) return accessRefusals['access.credential-unknown']('not on file, or withdrawn');
  if (!LIMITS.credentialIssuers.some((issuer) => issuer === credential.issuer)) {
    return accessRefusals['access.issuer-not-allowed'](credential.issuer);
  }
  if (ms(at) < ms(credential.validFrom) || ms(at) >= ms(credential.validTo)) {
    return accessRefusals['access.credential-expired'](`valid ${credential.validFrom} to ${credential.validTo}`);
  }
  return undefined;
}
