import { Body, Controller, Get, HttpCode, Inject, Param, Post, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import type { RequestContext } from '#libs/kernel';
import { Allow, Commands, Context, pageOf, pageQuery, Reads, written } from '#libs/platform';
import { accessRefusals } from '../access.refusals.js';
import { ASKING_ROLES, READING_ROLES } from '../authority.js';
import { GrantRow } from '../dossier.entity.js';
import { Dossiers } from '../dossier.view.js';
import { entityId, freeText, ms } from '../terms.js';
import { grantStream } from './grant.decider.js';
import { grantEvents } from './grant.events.js';

const revocationBody = z.strictObject({ reason: freeText(500) });
const statuses = ['issued', 'revoked'] as const;
const answer = grantEvents.types.GrantIssued.data.extend({
  id: entityId,
  status: z.enum(statuses),
  inForce: z.boolean().describe('issued, not revoked, and inside its validity at this moment'),
  changedAt: z.iso.datetime(),
});
const query = z.strictObject({ ...pageQuery, status: z.enum(statuses).optional() });

@ApiTags('access')
@Controller('api/v1/grants')
@Reads('access')
export class GrantController {
  constructor(
    @Inject(Commands) private readonly commands: Commands,
    @Inject(Dossiers) private readonly dossiers: Dossiers,
  ) {}

  @Post(':id/revocation')
  @HttpCode(200)
  @Allow({ roles: ASKING_ROLES, clients: true })
  @ApiOperation({ summary: 'Revoke at once, also what is playing; for the holder: give back' })
  @ApiOkResponse({ standardSchema: z.object({ id: entityId }) })
  async revoke(
    @Param('id', { schema: entityId }) id: string,
    @Body({ schema: revocationBody }) { reason }: z.output<typeof revocationBody>,
    @Context() context: RequestContext,
  ): Promise<object> {
    const command = { type: 'RevokeGrant', by: context.principal, at: context.at, reason } as const;
    return written(await this.commands.run(grantStream, id, command, context));
  }

  @Get()
  @Allow({ roles: READING_ROLES, clients: true })
  @ApiOperation({ summary: 'Grants of the own organisation, for bureaus and auditors of their jurisdiction' })
  @ApiOkResponse({ standardSchema: pageOf(answer) })
  async list(
    @Query({ schema: query }) page: z.output<typeof query>,
    @Context() { principal, at }: RequestContext,
  ): Promise<object> {
    const { items, nextCursor } = await this.dossiers.page(GrantRow, principal, page);
    return { items: items.map((row) => answerOf(row, at)), nextCursor };
  }

  @Get(':id')
  @Allow({ roles: READING_ROLES, clients: true })
  @ApiOperation({ summary: 'One grant' })
  @ApiOkResponse({ standardSchema: answer })
  async read(
    @Param('id', { schema: entityId }) id: string,
    @Context() { principal, at }: RequestContext,
  ): Promise<object> {
    const row = await this.dossiers.find(GrantRow, principal, id);
    if (row === undefined) throw accessRefusals['access.no-such-grant']('none that may be seen');
    return answerOf(row, at);
  }
}

function answerOf({ id, state, changedAt }: GrantRow, at: string): object {
  if (state.status === 'none') throw new Error(`grant ${id} has no events`);
  const { status, grant } = state;
  const valid = ms(grant.validFrom) <= ms(at) && ms(at) < ms(grant.validTo);
  return { id, status, inForce: status === 'issued' && valid, changedAt: changedAt.toISOString(), ...grant };
}
