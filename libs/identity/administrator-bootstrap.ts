import { Inject, Injectable } from '@nestjs/common';
import { Clock, type CommandContext, newId } from '#libs/kernel';
import { Commands } from '#libs/platform';
import { IdentityDirectory } from './identity.directory.js';
import { organisationStream } from './organisation/organisation.decider.js';
import { type PersonCommand, personStream } from './person/person.decider.js';
import { PersonalData } from './person/personal-data.js';
import { CredentialStore } from './sign-in/credential-store.js';

/** Fixed, so that however often and from wherever the first start is tried there is one of each. */
const ORGANISATION_ID = '00000000-0000-7000-8000-000000000001';
const ADMINISTRATOR_ID = '00000000-0000-7000-8000-000000000002';
const SYSTEM = { kind: 'system', id: 'first-start' } as const;

/** What the hub itself does with the administrator. */
type Act<C extends PersonCommand = PersonCommand> = C extends { by: unknown }
  ? Omit<C, 'by' | 'at' | 'personId'>
  : never;

/** The first hub operator, who registers everybody else. */
@Injectable()
export class AdministratorBootstrap {
  constructor(
    @Inject(Commands) private readonly commands: Commands,
    @Inject(Clock) private readonly clock: Clock,
    @Inject(IdentityDirectory) private readonly directory: IdentityDirectory,
    @Inject(PersonalData) private readonly personalData: PersonalData,
    @Inject(CredentialStore) private readonly credentials: CredentialStore,
  ) {}

  /**
   * Registers the operator's organisation and the first administrator, if they are not there yet.
   * @returns a fresh one-time enrolment code at every call until somebody has enrolled with one; undefined ever after
   */
  async codeWhileUnused(): Promise<string | undefined> {
    if (await this.credentials.isEnrolled(ADMINISTRATOR_ID)) return undefined;
    const administrator = await this.directory.person(ADMINISTRATOR_ID);
    if (administrator.status === 'deactivated') return undefined;
    if (administrator.status === 'absent') await this.#register();
    else await this.#person({ type: 'IssueEnrolment' });
    if (administrator.status === 'absent' || !administrator.roles.includes('hub-operator')) {
      const organisation = await this.directory.organisation(ORGANISATION_ID);
      await this.#person({ type: 'GrantRole', role: 'hub-operator', organisation });
    }
    return this.credentials.issueEnrolment(ADMINISTRATOR_ID);
  }

  async #register(): Promise<void> {
    const context = this.#context();
    const by = { by: SYSTEM, at: context.at };
    const data = { name: '运维单位 hub operator', kind: 'government', level: 'province', division: '52' } as const;
    // A start that was cut short may have registered the organisation already.
    if (!(await this.directory.isOrganisation(ORGANISATION_ID))) {
      const command = { type: 'RegisterOrganisation', ...by, organisation: data } as const;
      await this.commands.run(organisationStream, ORGANISATION_ID, command, context);
    }
    const organisation = await this.directory.organisation(ORGANISATION_ID);
    await this.personalData.keep(ADMINISTRATOR_ID, { name: '系统管理员 administrator' }, ({ name }) =>
      this.#person({ type: 'RegisterPerson', organisation, name }),
    );
  }

  async #person(act: Act): Promise<void> {
    const context = this.#context();
    const command = { ...act, by: SYSTEM, at: context.at, personId: ADMINISTRATOR_ID };
    await this.commands.run(personStream, ADMINISTRATOR_ID, command, context);
  }

  #context(): CommandContext {
    return { actor: SYSTEM, at: this.clock.iso(), correlationId: newId().replaceAll('-', ''), newId };
  }
}
