import { Body, Controller, Get, Inject, Param, Post, Put, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import type { RequestContext } from '#libs/kernel';
import { Allow, Commands, Context, pageOf, pageQuery, Reads, written } from '#libs/platform';
import { REGISTRAR_ROLES } from '../authority.js';
import { IdentityDirectory } from '../identity.directory.js';
import { IdentityLists } from '../identity-lists.js';
import { id, publicName, text } from '../schemas.js';
import { apiClientStream } from './api-client.decider.js';
import { ApiClientRow } from './api-client.entity.js';
import { publicJwks } from './api-client.events.js';

const registration = z.strictObject({
  organisationId: id,
  name: publicName,
  contactPersonId: id.describe('person of the organisation who answers for the client'),
  jwks: publicJwks.describe('public keys for private_key_jwt (RFC 7523)'),
});
const replacement = z.strictObject({ jwks: publicJwks });
const withReason = z.strictObject({ reason: text });
const answer = registration.omit({ jwks: true }).extend({
  id,
  keyIds: z.array(z.string()),
  active: z.boolean(),
  registeredAt: z.iso.datetime(),
});
const query = z.strictObject({ ...pageQuery, organisationId: id.optional() });

@ApiTags('identity')
@Controller('api/v1/api-clients')
@Reads('identity')
export class ApiClientController {
  constructor(
    @Inject(Commands) private readonly commands: Commands,
    @Inject(IdentityDirectory) private readonly directory: IdentityDirectory,
    @Inject(IdentityLists) private readonly lists: IdentityLists,
  ) {}

  @Post()
  @Allow({ roles: REGISTRAR_ROLES })
  @ApiOperation({ summary: 'Register a program of an organisation with its public keys' })
  @ApiCreatedResponse({ standardSchema: z.object({ id }) })
  async register(
    @Body({ schema: registration }) { organisationId, contactPersonId, ...client }: z.output<typeof registration>,
    @Context() context: RequestContext,
  ): Promise<object> {
    const { principal: by, at } = context;
    const organisation = await this.directory.organisation(organisationId);
    const person = await this.directory.person(contactPersonId);
    const contact =
      person.status === 'absent'
        ? undefined
        : { id: contactPersonId, organisationId: person.organisationId, active: person.status === 'active' };
    const command = { type: 'RegisterApiClient', by, at, organisation, contact, ...client } as const;
    return written(await this.commands.run(apiClientStream, context.newId(), command, context));
  }

  @Get()
  @Allow({ roles: 'signed-in' })
  @ApiOperation({ summary: 'Clients of the own organisation; of all for the operator' })
  @ApiOkResponse({ standardSchema: pageOf(answer) })
  list(
    @Query({ schema: query }) page: z.output<typeof query>,
    @Context() { principal }: RequestContext,
  ): Promise<object> {
    return this.lists.owned(ApiClientRow, principal, page);
  }

  @Put(':id/keys')
  @Allow({ roles: REGISTRAR_ROLES })
  @ApiOperation({ summary: 'Replace all keys of a client' })
  @ApiOkResponse({ standardSchema: z.object({ id }) })
  async replaceKeys(
    @Param('id', { schema: id }) clientId: string,
    @Body({ schema: replacement }) { jwks }: z.output<typeof replacement>,
    @Context() context: RequestContext,
  ): Promise<object> {
    const { principal: by, at } = context;
    return written(await this.commands.run(apiClientStream, clientId, { type: 'ReplaceKeys', by, at, jwks }, context));
  }

  @Post(':id/deactivation')
  @Allow({ roles: REGISTRAR_ROLES })
  @ApiOperation({ summary: 'Deactivate a client for good; its tokens are refused at the next request' })
  @ApiCreatedResponse({ standardSchema: z.object({ id }) })
  async deactivate(
    @Param('id', { schema: id }) clientId: string,
    @Body({ schema: withReason }) { reason }: z.output<typeof withReason>,
    @Context() context: RequestContext,
  ): Promise<object> {
    const { principal: by, at } = context;
    const command = { type: 'DeactivateApiClient', by, at, reason } as const;
    return written(await this.commands.run(apiClientStream, clientId, command, context));
  }
}
