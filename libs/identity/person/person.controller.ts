import { Body, Controller, Delete, Get, Header, Inject, Param, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { type RequestContext, ROLES, type Role } from '#libs/kernel';
import { Allow, Commands, Context, pageOf, pageQuery, Reads, written } from '#libs/platform';
import { FILING_ROLES, PERSONAL_DATA_ROLES, REGISTRAR_ROLES } from '../authority.js';
import { IdentityDirectory } from '../identity.directory.js';
import { IdentityLists } from '../identity-lists.js';
import { id, text } from '../schemas.js';
import { CredentialStore } from '../sign-in/credential-store.js';
import { personStream } from './person.decider.js';
import { PersonRow } from './person.entity.js';
import { credentialTerms } from './person.events.js';
import { PersonalData } from './personal-data.js';

const personalText = z.string().trim().min(1).max(100);
const registration = z.strictObject({ organisationId: id, name: personalText, phone: personalText.optional() });
const role = z.enum(ROLES);
const grant = z.strictObject({ role });
const credential = credentialTerms.extend({ number: personalText });
const withReason = z.strictObject({ reason: text });
const idAnswer = z.object({ id });
const codeAnswer = z.object({ id, enrolmentCode: z.string().describe('one-time, valid for 24 hours, shown only now') });
const credentialAnswer = z.object({ id, credentialId: id });
const personAnswer = z.object({
  id,
  organisationId: id,
  roles: z.array(role),
  credentials: z.array(credentialTerms.extend({ id })),
  enrolled: z.boolean(),
  active: z.boolean(),
  registeredAt: z.iso.datetime(),
});
const query = z.strictObject({ ...pageQuery, organisationId: id.optional() });
const reading = z.strictObject({ purpose: z.string().trim().min(2).max(200) });
const personalAnswer = z.object({
  id,
  name: z.string(),
  phone: z.string().optional(),
  credentialNumbers: z.record(z.string(), z.string()).describe('by credential id'),
});

@ApiTags('identity')
@Controller('api/v1/people')
@Reads('identity')
export class PersonController {
  constructor(
    @Inject(Commands) private readonly commands: Commands,
    @Inject(IdentityDirectory) private readonly directory: IdentityDirectory,
    @Inject(IdentityLists) private readonly lists: IdentityLists,
    @Inject(PersonalData) private readonly personalData: PersonalData,
    @Inject(CredentialStore) private readonly credentials: CredentialStore,
  ) {}

  @Post()
  @Allow({ roles: REGISTRAR_ROLES })
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'Register a person of an organisation; answers a one-time code to enrol with' })
  @ApiCreatedResponse({ standardSchema: codeAnswer })
  async register(
    @Body({ schema: registration }) { organisationId, name, phone }: z.output<typeof registration>,
    @Context() context: RequestContext,
  ): Promise<object> {
    const { principal: by, at } = context;
    const organisation = await this.directory.organisation(organisationId);
    const personId = context.newId();
    const clear = { name, ...(phone === undefined ? {} : { phone }) };
    const outcome = await this.personalData.keep(personId, clear, (commitments) =>
      this.commands.run(
        personStream,
        personId,
        { type: 'RegisterPerson', by, at, personId, organisation, ...commitments },
        context,
      ),
    );
    return written(outcome, { enrolmentCode: await this.credentials.issueEnrolment(personId) });
  }

  @Get()
  @Allow({ roles: 'signed-in' })
  @ApiOperation({ summary: 'People of the own organisation, of all for the operator; never a name' })
  @ApiOkResponse({ standardSchema: pageOf(personAnswer) })
  list(
    @Query({ schema: query }) page: z.output<typeof query>,
    @Context() { principal }: RequestContext,
  ): Promise<object> {
    return this.lists.owned(PersonRow, principal, page);
  }

  @Post(':id/roles')
  @Allow({ roles: REGISTRAR_ROLES })
  @ApiOperation({ summary: 'Grant a role that fits the kind of the organisation; a hub operator holds no other' })
  @ApiCreatedResponse({ standardSchema: idAnswer })
  async grantRole(
    @Param('id', { schema: id }) personId: string,
    @Body({ schema: grant }) { role: granted }: z.output<typeof grant>,
    @Context() context: RequestContext,
  ): Promise<object> {
    const { principal: by, at } = context;
    const organisation = await this.directory.employer(personId);
    const command = { type: 'GrantRole', by, at, personId, role: granted, organisation } as const;
    return written(await this.commands.run(personStream, personId, command, context));
  }

  @Delete(':id/roles/:role')
  @Allow({ roles: REGISTRAR_ROLES })
  @ApiOperation({ summary: 'Revoke a role; it counts no longer at the next request' })
  @ApiOkResponse({ standardSchema: idAnswer })
  async revokeRole(
    @Param('id', { schema: id }) personId: string,
    @Param('role', { schema: role }) revoked: Role,
    @Context() context: RequestContext,
  ): Promise<object> {
    const { principal: by, at } = context;
    const command = { type: 'RevokeRole', by, at, personId, role: revoked } as const;
    return written(await this.commands.run(personStream, personId, command, context));
  }

  @Post(':id/enrolment')
  @Allow({ roles: REGISTRAR_ROLES })
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'Issue a new one-time code; what the person signed in with counts until they enrol anew' })
  @ApiCreatedResponse({ standardSchema: codeAnswer })
  async issueEnrolment(
    @Param('id', { schema: id }) personId: string,
    @Context() context: RequestContext,
  ): Promise<object> {
    const { principal: by, at } = context;
    const command = { type: 'IssueEnrolment', by, at, personId } as const;
    const outcome = await this.commands.run(personStream, personId, command, context);
    return written(outcome, { enrolmentCode: await this.credentials.issueEnrolment(personId) });
  }

  @Post(':id/credentials')
  @Allow({ roles: FILING_ROLES })
  @ApiOperation({ summary: 'File an enforcement credential (Art. 16(2)); its number goes to the vault' })
  @ApiCreatedResponse({ standardSchema: credentialAnswer })
  async fileCredential(
    @Param('id', { schema: id }) personId: string,
    @Body({ schema: credential }) { number, ...terms }: z.output<typeof credential>,
    @Context() context: RequestContext,
  ): Promise<object> {
    const { principal: by, at } = context;
    const organisation = await this.directory.employer(personId);
    const credentialId = context.newId();
    const outcome = await this.personalData.keepNumber(personId, credentialId, number, (numberCommitment) => {
      const filed = { credentialId, numberCommitment, ...terms };
      const command = { type: 'FileCredential', by, at, personId, organisation, ...filed } as const;
      return this.commands.run(personStream, personId, command, context);
    });
    return written(outcome, { credentialId });
  }

  @Post(':id/credentials/:credentialId/withdrawal')
  @Allow({ roles: FILING_ROLES })
  @ApiOperation({ summary: 'Withdraw an enforcement credential' })
  @ApiCreatedResponse({ standardSchema: idAnswer })
  async withdrawCredential(
    @Param('id', { schema: id }) personId: string,
    @Param('credentialId', { schema: id }) credentialId: string,
    @Body({ schema: withReason }) { reason }: z.output<typeof withReason>,
    @Context() context: RequestContext,
  ): Promise<object> {
    const { principal: by, at } = context;
    const organisation = await this.directory.employer(personId);
    const command = { type: 'WithdrawCredential', by, at, personId, organisation, credentialId, reason } as const;
    return written(await this.commands.run(personStream, personId, command, context));
  }

  @Post(':id/deactivation')
  @Allow({ roles: REGISTRAR_ROLES })
  @ApiOperation({ summary: 'Deactivate a person for good; their tokens are refused at the next request' })
  @ApiCreatedResponse({ standardSchema: idAnswer })
  async deactivate(
    @Param('id', { schema: id }) personId: string,
    @Body({ schema: withReason }) { reason }: z.output<typeof withReason>,
    @Context() context: RequestContext,
  ): Promise<object> {
    const { principal: by, at } = context;
    const command = { type: 'DeactivatePerson', by, at, personId, reason } as const;
    return written(await this.commands.run(personStream, personId, command, context));
  }

  @Get(':id/personal-data')
  @Allow({ roles: PERSONAL_DATA_ROLES })
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'Name, phone and credential numbers in clear; the reading and its purpose are on record' })
  @ApiOkResponse({ standardSchema: personalAnswer })
  readPersonalData(
    @Param('id', { schema: id }) personId: string,
    @Query({ schema: reading }) { purpose }: z.output<typeof reading>,
    @Context() context: RequestContext,
  ): Promise<object> {
    return this.personalData.read(personId, purpose, context);
  }
}
