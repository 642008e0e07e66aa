import { Inject, Injectable } from '@nestjs/common';
import { In } from 'typeorm';
import { z } from 'zod';
import type { Projection, ReadModel } from '#libs/event-store';
import { entityOf, ORGANISATION_KINDS, ORGANISATION_LEVELS } from '#libs/kernel';
import { readModelToken } from '#libs/platform';
import { CameraRow, ClientRow, CredentialRow, OrganisationRow, PersonRow } from './facts.entity.js';
import type { CameraFact, ClientFact, CredentialFact, OrganisationFact, PersonFact } from './terms.js';

/** What access brokering needs of the events of identity, registry and integration; they may hold more. */
const organisation = z.object({
  kind: z.enum(ORGANISATION_KINDS),
  level: z.enum(ORGANISATION_LEVELS),
  division: z.string(),
});
const member = z.object({ organisationId: z.guid() });
const filed = z.object({
  credentialId: z.guid(),
  issuer: z.string(),
  numberCommitment: z.string(),
  validFrom: z.iso.datetime(),
  validTo: z.iso.datetime(),
});
const withdrawn = z.object({ credentialId: z.guid() });
const registeredCamera = z.object({ gbId: z.string(), division: z.string(), funding: z.enum(['government', 'other']) });

export const identityProjection: Projection = {
  name: 'identity',
  filter: {
    types: [
      'OrganisationRegistered',
      'PersonRegistered',
      'PersonDeactivated',
      'EnforcementCredentialFiled',
      'EnforcementCredentialWithdrawn',
      'ApiClientRegistered',
      'ApiClientDeactivated',
    ],
  },
  async apply({ type, data, stream }, tx) {
    const id = entityOf(stream);
    switch (type) {
      case 'OrganisationRegistered':
        await tx.insert(OrganisationRow, { id, ...organisation.parse(data) });
        return;
      case 'PersonRegistered':
        await tx.insert(PersonRow, { id, ...member.parse(data), active: true });
        return;
      case 'PersonDeactivated':
        await tx.update(PersonRow, { id }, { active: false });
        return;
      case 'EnforcementCredentialFiled': {
        const { credentialId, validFrom, validTo, ...rest } = filed.parse(data);
        const validity = { validFrom: new Date(validFrom), validTo: new Date(validTo) };
        await tx.insert(CredentialRow, { id: credentialId, personId: id, ...rest, ...validity, withdrawn: false });
        return;
      }
      case 'EnforcementCredentialWithdrawn':
        await tx.update(CredentialRow, { id: withdrawn.parse(data).credentialId }, { withdrawn: true });
        return;
      case 'ApiClientRegistered':
        await tx.insert(ClientRow, { id, ...member.parse(data), active: true });
        return;
      case 'ApiClientDeactivated':
        await tx.update(ClientRow, { id }, { active: false });
        return;
    }
  },
};

export const cameraProjection: Projection = {
  name: 'camera',
  filter: { types: ['CameraRegistered', 'CameraFeedTaken', 'CameraFeedReleased'] },
  async apply({ type, data, stream }, tx) {
    const id = entityOf(stream);
    if (type === 'CameraRegistered') {
      await tx.insert(CameraRow, { id, ...registeredCamera.parse(data), integrated: false });
    } else {
      await tx.update(CameraRow, { id }, { integrated: type === 'CameraFeedTaken' });
    }
  },
};

/** What the records of the other services say now. */
@Injectable()
export class Facts {
  constructor(@Inject(readModelToken('access')) private readonly model: ReadModel) {}

  async cameras(ids: readonly string[]): Promise<(CameraFact & { readonly gbId: string })[]> {
    return this.model.manager.findBy(CameraRow, { id: In([...new Set(ids)]) });
  }

  async organisation(id: string): Promise<OrganisationFact | undefined> {
    return (await this.model.manager.findOneBy(OrganisationRow, { id })) ?? undefined;
  }

  async client(id: string | undefined): Promise<ClientFact | undefined> {
    if (id === undefined) return undefined;
    return (await this.model.manager.findOneBy(ClientRow, { id })) ?? undefined;
  }

  async persons(ids: readonly string[]): Promise<PersonFact[]> {
    const wanted = In([...new Set(ids)]);
    const [persons, credentials] = await Promise.all([
      this.model.manager.findBy(PersonRow, { id: wanted }),
      this.model.manager.findBy(CredentialRow, { personId: wanted, withdrawn: false }),
    ]);
    return persons.map((person) => ({
      ...person,
      credentials: credentials.filter(({ personId }) => personId === person.id).map(factOf),
    }));
  }

  /** The credential of a person that is on file under a number, known by its commitment. */
  async credential(personId: string, numberCommitment: string): Promise<CredentialFact | undefined> {
    const where = { personId, numberCommitment, withdrawn: false };
    const row = await this.model.manager.findOne(CredentialRow, { where, order: { validTo: 'DESC' } });
    return row === null ? undefined : factOf(row);
  }
}

function factOf({ id, issuer, validFrom, validTo }: CredentialRow): CredentialFact {
  return { id, issuer, validFrom: validFrom.toISOString(), validTo: validTo.toISOString() };
}
