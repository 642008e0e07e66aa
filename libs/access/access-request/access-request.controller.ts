import { Body, Controller, Get, HttpCode, Inject, Param, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import type { RequestContext, RuleId } from '#libs/kernel';
import { Allow, Commands, Context, pageOf, pageQuery, Reads, written } from '#libs/platform';
import { ruleText } from '#libs/regulation';
import { accessRefusals } from '../access.refusals.js';
import { ASKING_ROLES, READING_ROLES } from '../authority.js';
import { AccessRequestRow } from '../dossier.entity.js';
import { Dossiers } from '../dossier.view.js';
import { Facts } from '../facts.view.js';
import { grantOf } from '../grant/grant.decider.js';
import { grantEvents } from '../grant/grant.events.js';
import { Streams } from '../streams.js';
import { BOUNDS, basis, entityId, freeText, law, scope, sha256 } from '../terms.js';
import { type AccessAsk, accessRequestStream } from './access-request.decider.js';
import { accessRequestEvents } from './access-request.events.js';

const askBody = z.strictObject({
  basis,
  ...scope,
  live: z.boolean().default(false),
  decidingOrganisationId: entityId.describe('public security organ whose jurisdiction covers every camera'),
  personIds: z
    .array(entityId)
    .max(BOUNDS.personsMax)
    .default([])
    .describe('people who may use the grant; under Art. 15 the investigators, at least two (16(1))'),
  clientId: entityId.optional().describe('gz117:7 only: API client that may use the share'),
  purpose: freeText(500),
  caseNumber: z.string().trim().min(1).max(100).optional(),
  law: law.optional(),
  certificateSha256: sha256.optional().describe("certificate of the investigators' own unit (16(3))"),
});

const approvalBody = z.strictObject({
  acts: scope.acts.optional(),
  cameraIds: scope.cameraIds.optional(),
  live: z.boolean().optional(),
  window: scope.window,
  validFrom: scope.validFrom.optional(),
  validTo: scope.validTo.optional(),
  approvalDocumentSha256: sha256.optional().describe('approval document of the responsible person (16(3))'),
});

const denialBody = z.strictObject({
  reason: freeText(500),
  rule: z.string().refine((rule) => ruleText(rule as RuleId) !== undefined, 'no rule of the regulation'),
});
const withdrawalBody = z.strictObject({ reason: freeText(500) });

const { AccessRequested, AccessApproved, AccessDenied } = accessRequestEvents.types;
const statuses = ['pending', 'withdrawn', 'denied', 'approved'] as const;
const answer = AccessRequested.data.extend({
  id: entityId,
  status: z.enum(statuses),
  changedAt: z.iso.datetime(),
  approval: AccessApproved.data.optional(),
  denial: AccessDenied.data.optional(),
});
const query = z.strictObject({ ...pageQuery, status: z.enum(statuses).optional() });

@ApiTags('access')
@Controller('api/v1/access-requests')
@Reads('access')
export class AccessRequestController {
  constructor(
    @Inject(Commands) private readonly commands: Commands,
    @Inject(Facts) private readonly facts: Facts,
    @Inject(Dossiers) private readonly dossiers: Dossiers,
    @Inject(Streams) private readonly streams: Streams,
  ) {}

  @Post()
  @Allow({ roles: ASKING_ROLES, clients: true })
  @ApiOperation({ summary: 'Ask for access to cameras (Art. 15.1, 15.3) or for a standing share (Art. 7)' })
  @ApiCreatedResponse({ standardSchema: z.object({ id: entityId }) })
  async request(
    @Body({ schema: askBody }) body: z.output<typeof askBody>,
    @Context() context: RequestContext,
  ): Promise<object> {
    const { principal: by, at } = context;
    const clientId = body.clientId ?? (by.kind === 'client' ? by.id : undefined);
    const ask: AccessAsk = clientId === undefined ? body : { ...body, clientId };
    const [cameras, persons, client, decidingOrganisation] = await Promise.all([
      this.facts.cameras(ask.cameraIds),
      this.facts.persons(ask.personIds),
      this.facts.client(clientId),
      this.facts.organisation(ask.decidingOrganisationId),
    ]);
    const known = { cameras, persons, client, decidingOrganisation };
    const command = { type: 'RequestAccess', by, at, ask, ...known } as const;
    return written(await this.commands.run(accessRequestStream, context.newId(), command, context));
  }

  @Post(':id/approval')
  @HttpCode(200)
  @Allow({ roles: ['psb-responsible-person'] })
  @ApiOperation({ summary: 'Approve, in full or shortened; issues the grant (Art. 15.1)' })
  @ApiOkResponse({ standardSchema: z.object({ id: entityId, grantId: entityId }) })
  async approve(
    @Param('id', { schema: entityId }) id: string,
    @Body({ schema: approvalBody }) body: z.output<typeof approvalBody>,
    @Context() context: RequestContext,
  ): Promise<object> {
    const { approvalDocumentSha256, ...shortening } = body;
    const { principal: by, at } = context;
    const cameras = await this.#camerasOf(id);
    const given = { by, at, cameras, grantId: context.newId() };
    const outcome = await this.commands.run(
      accessRequestStream,
      id,
      { type: 'ApproveRequest', ...given, shortening, approvalDocumentSha256 },
      context,
      (_, state) => {
        if (state.status !== 'approved') throw new Error('an approval leaves the request approved');
        const write = [grantOf(id, state.request, state.approval)];
        return [{ events: grantEvents, id: state.approval.grantId, expected: 'no-stream', write }];
      },
    );
    const { state } = outcome;
    return written(outcome, { grantId: state.status === 'approved' ? state.approval.grantId : null });
  }

  @Post(':id/denial')
  @HttpCode(200)
  @Allow({ roles: ['psb-responsible-person'] })
  @ApiOperation({ summary: 'Refuse with a reason and a rule' })
  @ApiOkResponse({ standardSchema: z.object({ id: entityId }) })
  async deny(
    @Param('id', { schema: entityId }) id: string,
    @Body({ schema: denialBody }) body: z.output<typeof denialBody>,
    @Context() context: RequestContext,
  ): Promise<object> {
    const { principal: by, at } = context;
    const cameras = await this.#camerasOf(id);
    const command = { type: 'DenyRequest', by, at, ...body, cameras } as const;
    return written(await this.commands.run(accessRequestStream, id, command, context));
  }

  @Post(':id/withdrawal')
  @HttpCode(200)
  @Allow({ roles: ASKING_ROLES, clients: true })
  @ApiOperation({ summary: 'Withdraw an undecided request' })
  @ApiOkResponse({ standardSchema: z.object({ id: entityId }) })
  async withdraw(
    @Param('id', { schema: entityId }) id: string,
    @Body({ schema: withdrawalBody }) { reason }: z.output<typeof withdrawalBody>,
    @Context() context: RequestContext,
  ): Promise<object> {
    const { principal: by, at } = context;
    const command = { type: 'WithdrawRequest', by, at, reason } as const;
    return written(await this.commands.run(accessRequestStream, id, command, context));
  }

  @Get()
  @Allow({ roles: READING_ROLES, clients: true })
  @ApiOperation({ summary: 'Requests of the own organisation, for bureaus and auditors of their jurisdiction' })
  @ApiOkResponse({ standardSchema: pageOf(answer) })
  async list(
    @Query({ schema: query }) page: z.output<typeof query>,
    @Context() { principal }: RequestContext,
  ): Promise<object> {
    const { items, nextCursor } = await this.dossiers.page(AccessRequestRow, principal, page);
    return { items: items.map(answerOf), nextCursor };
  }

  @Get(':id')
  @Allow({ roles: READING_ROLES, clients: true })
  @ApiOperation({ summary: 'One request with its decision' })
  @ApiOkResponse({ standardSchema: answer })
  async read(@Param('id', { schema: entityId }) id: string, @Context() { principal }: RequestContext): Promise<object> {
    const row = await this.dossiers.find(AccessRequestRow, principal, id);
    if (row === undefined) throw accessRefusals['access.no-such-request']('none that may be seen');
    return answerOf(row);
  }

  async #camerasOf(id: string) {
    const state = await this.streams.state(accessRequestStream, id);
    return state.status === 'none' ? [] : this.facts.cameras(state.request.cameraIds);
  }
}

function answerOf({ id, state, changedAt }: AccessRequestRow): object {
  if (state.status === 'none') throw new Error(`request ${id} has no events`);
  const { status, request, ...decision } = state;
  return { id, status, changedAt: changedAt.toISOString(), ...request, ...decision };
}
