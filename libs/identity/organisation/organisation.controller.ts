import { Body, Controller, Delete, Get, Inject, Param, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { ORGANISATION_KINDS, POWERS, type Power, type RequestContext } from '#libs/kernel';
import { Allow, Commands, Context, pageOf, pageQuery, Reads, written } from '#libs/platform';
import { REGISTRAR_ROLES } from '../authority.js';
import { IdentityDirectory } from '../identity.directory.js';
import { identityRefusals } from '../identity.refusals.js';
import { IdentityLists } from '../identity-lists.js';
import { division, id } from '../schemas.js';
import { organisationStream } from './organisation.decider.js';
import { organisationData, powerData } from './organisation.events.js';

const answer = organisationData.extend({
  id,
  parentId: id.nullable(),
  powers: z.array(powerData),
  registeredAt: z.iso.datetime(),
});
const query = z.strictObject({
  ...pageQuery,
  division: division.optional().describe('covers the divisions below it'),
  kind: z.enum(ORGANISATION_KINDS).optional(),
});
const power = z.enum(POWERS);

@ApiTags('identity')
@Controller('api/v1/organisations')
@Reads('identity')
export class OrganisationController {
  constructor(
    @Inject(Commands) private readonly commands: Commands,
    @Inject(IdentityDirectory) private readonly directory: IdentityDirectory,
    @Inject(IdentityLists) private readonly lists: IdentityLists,
  ) {}

  @Post()
  @Allow({ roles: REGISTRAR_ROLES })
  @ApiOperation({ summary: 'Register an organisation with its division (GB/T 2260)' })
  @ApiCreatedResponse({ standardSchema: z.object({ id }) })
  async register(
    @Body({ schema: organisationData }) organisation: z.output<typeof organisationData>,
    @Context() context: RequestContext,
  ): Promise<object> {
    const { principal: by, at } = context;
    const { parentId } = organisation;
    const parent = parentId === undefined ? undefined : await this.directory.organisation(parentId);
    const command = {
      type: 'RegisterOrganisation',
      by,
      at,
      organisation,
      ...(parent === undefined ? {} : { parentDivision: parent.division }),
    } as const;
    return written(await this.commands.run(organisationStream, context.newId(), command, context));
  }

  @Get()
  @Allow({ roles: 'signed-in', clients: true })
  @ApiOperation({ summary: 'Organisations that take part' })
  @ApiOkResponse({ standardSchema: pageOf(answer) })
  list(@Query({ schema: query }) page: z.output<typeof query>): Promise<object> {
    return this.lists.organisations(page);
  }

  @Get(':id')
  @Allow({ roles: 'signed-in', clients: true })
  @ApiOperation({ summary: 'One organisation' })
  @ApiOkResponse({ standardSchema: answer })
  async read(@Param('id', { schema: id }) organisationId: string): Promise<object> {
    const organisation = await this.lists.organisation(organisationId);
    if (organisation === undefined) throw identityRefusals['identity.no-such-organisation'](organisationId);
    return organisation;
  }

  @Post(':id/powers')
  @Allow({ roles: REGISTRAR_ROLES })
  @ApiOperation({ summary: 'Confer a power on a department, by the instrument that grants it (Art. 15.2, 15.3)' })
  @ApiCreatedResponse({ standardSchema: z.object({ id }) })
  async confer(
    @Param('id', { schema: id }) organisationId: string,
    @Body({ schema: powerData }) conferred: z.output<typeof powerData>,
    @Context() context: RequestContext,
  ): Promise<object> {
    const { principal: by, at } = context;
    const command = { type: 'ConferPower', by, at, ...conferred } as const;
    return written(await this.commands.run(organisationStream, organisationId, command, context));
  }

  @Delete(':id/powers/:power')
  @Allow({ roles: REGISTRAR_ROLES })
  @ApiOperation({ summary: 'Withdraw a power' })
  @ApiOkResponse({ standardSchema: z.object({ id }) })
  async withdraw(
    @Param('id', { schema: id }) organisationId: string,
    @Param('power', { schema: power }) withdrawn: Power,
    @Context() context: RequestContext,
  ): Promise<object> {
    const { principal: by, at } = context;
    const command = { type: 'WithdrawPower', by, at, power: withdrawn } as const;
    return written(await this.commands.run(organisationStream, organisationId, command, context));
  }
}
