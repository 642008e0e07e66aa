import { Body, Controller, Get, Inject, Param, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import type { RequestContext } from '#libs/kernel';
import { Allow, Commands, Context, pageOf, pageQuery, Reads, visibleTo, written } from '#libs/platform';
import { ACTING_ROLES, READING_ROLES } from '../authority.js';
import { Register } from '../register.js';
import { registryRefusals } from '../registry.refusals.js';
import { day, division, id, text } from '../schemas.js';
import { SiteRow } from '../site/site.entity.js';
import { STAGES, type VideoSystemCommand, videoSystemStream } from './video-system.decider.js';
import { VideoSystemRow } from './video-system.entity.js';
import {
  acceptanceData,
  acceptanceRequestData,
  constructionData,
  designSchemeData,
  planData,
} from './video-system.events.js';

const status = z.enum(STAGES);
const stageAnswer = z.object({ id, status });
const systemAnswer = planData.extend({
  id,
  division,
  status,
  rectifyBy: day.nullable(),
  plannedAt: z.iso.datetime(),
  changedAt: z.iso.datetime(),
});
const systemQuery = z.strictObject({
  ...pageQuery,
  division: division.optional().describe('covers the divisions below it'),
  siteId: id.optional(),
});
const withReason = z.strictObject({ reason: text });

/** What a command needs besides who and when. */
type Act<C extends VideoSystemCommand = VideoSystemCommand> = C extends unknown ? Omit<C, 'by' | 'at'> : never;

@ApiTags('registry')
@Controller('api/v1/video-systems')
@Reads('registry')
export class VideoSystemController {
  constructor(
    @Inject(Commands) private readonly commands: Commands,
    @Inject(Register) private readonly register: Register,
  ) {}

  @Post()
  @Allow({ roles: ACTING_ROLES })
  @ApiOperation({ summary: 'Plan a video system for a site (Art. 11, 12, 14)' })
  @ApiCreatedResponse({ standardSchema: stageAnswer })
  async plan(
    @Body({ schema: planData }) plan: z.output<typeof planData>,
    @Context() context: RequestContext,
  ): Promise<object> {
    const site = await this.register.known(SiteRow, plan.siteId);
    if (site === undefined) throw registryRefusals['registry.no-such-site'](plan.siteId);
    await this.register.requireOrganisations(plan.managingUnitId, plan.responsiblePartyId);
    return this.#run(context.newId(), { type: 'PlanVideoSystem', plan, site }, context);
  }

  @Post(':id/design-scheme')
  @Allow({ roles: ACTING_ROLES })
  @ApiOperation({ summary: 'File the design scheme (Art. 13.2)' })
  @ApiCreatedResponse({ standardSchema: stageAnswer })
  fileDesignScheme(
    @Param('id', { schema: id }) systemId: string,
    @Body({ schema: designSchemeData }) scheme: z.output<typeof designSchemeData>,
    @Context() context: RequestContext,
  ): Promise<object> {
    return this.#run(systemId, { type: 'FileDesignScheme', scheme }, context);
  }

  @Post(':id/construction')
  @Allow({ roles: ACTING_ROLES })
  @ApiOperation({ summary: 'Record the start of construction (Art. 13.1)' })
  @ApiCreatedResponse({ standardSchema: stageAnswer })
  startConstruction(
    @Param('id', { schema: id }) systemId: string,
    @Body({ schema: constructionData }) construction: z.output<typeof constructionData>,
    @Context() context: RequestContext,
  ): Promise<object> {
    return this.#run(systemId, { type: 'StartConstruction', construction }, context);
  }

  @Post(':id/acceptance-request')
  @Allow({ roles: ACTING_ROLES })
  @ApiOperation({ summary: 'File test report and acceptance material, ask for acceptance (Art. 13.2)' })
  @ApiCreatedResponse({ standardSchema: stageAnswer })
  requestAcceptance(
    @Param('id', { schema: id }) systemId: string,
    @Body({ schema: acceptanceRequestData }) request: z.output<typeof acceptanceRequestData>,
    @Context() context: RequestContext,
  ): Promise<object> {
    return this.#run(systemId, { type: 'RequestAcceptance', request }, context);
  }

  @Post(':id/acceptance')
  @Allow({ roles: ACTING_ROLES })
  @ApiOperation({ summary: 'Record the acceptance: only a filing officer with jurisdiction (Art. 4.2, 13.2)' })
  @ApiCreatedResponse({ standardSchema: stageAnswer })
  recordAcceptance(
    @Param('id', { schema: id }) systemId: string,
    @Body({ schema: acceptanceData }) acceptance: z.output<typeof acceptanceData>,
    @Context() context: RequestContext,
  ): Promise<object> {
    return this.#run(systemId, { type: 'RecordAcceptance', acceptance }, context);
  }

  @Post(':id/operation')
  @Allow({ roles: ACTING_ROLES })
  @ApiOperation({ summary: 'Put an accepted system into operation (Art. 13.2)' })
  @ApiCreatedResponse({ standardSchema: stageAnswer })
  startOperation(@Param('id', { schema: id }) systemId: string, @Context() context: RequestContext): Promise<object> {
    return this.#run(systemId, { type: 'StartOperation' }, context);
  }

  @Post(':id/interruption')
  @Allow({ roles: ACTING_ROLES })
  @ApiOperation({ summary: 'Record an interruption of operation (Art. 17(7))' })
  @ApiCreatedResponse({ standardSchema: stageAnswer })
  interruptOperation(
    @Param('id', { schema: id }) systemId: string,
    @Body({ schema: withReason }) { reason }: z.output<typeof withReason>,
    @Context() context: RequestContext,
  ): Promise<object> {
    return this.#run(systemId, { type: 'InterruptOperation', reason }, context);
  }

  @Post(':id/resumption')
  @Allow({ roles: ACTING_ROLES })
  @ApiOperation({ summary: 'Record that operation goes on (Art. 17(7))' })
  @ApiCreatedResponse({ standardSchema: stageAnswer })
  resumeOperation(@Param('id', { schema: id }) systemId: string, @Context() context: RequestContext): Promise<object> {
    return this.#run(systemId, { type: 'ResumeOperation' }, context);
  }

  @Post(':id/decommissioning')
  @Allow({ roles: ACTING_ROLES })
  @ApiOperation({ summary: 'Take a system out of service for good' })
  @ApiCreatedResponse({ standardSchema: stageAnswer })
  decommission(
    @Param('id', { schema: id }) systemId: string,
    @Body({ schema: withReason }) { reason }: z.output<typeof withReason>,
    @Context() context: RequestContext,
  ): Promise<object> {
    return this.#run(systemId, { type: 'DecommissionVideoSystem', reason }, context);
  }

  @Get()
  @Allow({ roles: READING_ROLES })
  @ApiOperation({ summary: 'Video systems of the own unit or jurisdiction' })
  @ApiOkResponse({ standardSchema: pageOf(systemAnswer) })
  list(
    @Query({ schema: systemQuery }) query: z.output<typeof systemQuery>,
    @Context() { principal }: RequestContext,
  ): Promise<object> {
    return this.register.page(VideoSystemRow, visibleTo(principal), query);
  }

  @Get(':id')
  @Allow({ roles: READING_ROLES })
  @ApiOperation({ summary: 'One video system' })
  @ApiOkResponse({ standardSchema: systemAnswer })
  async read(@Param('id', { schema: id }) systemId: string, @Context() { principal }: RequestContext): Promise<object> {
    const system = await this.register.find(VideoSystemRow, visibleTo(principal), systemId);
    if (system === undefined) throw registryRefusals['registry.no-such-system'](systemId);
    return system;
  }

  async #run(systemId: string, act: Act, context: RequestContext): Promise<object> {
    const { principal: by, at } = context;
    const outcome = await this.commands.run(videoSystemStream, systemId, { ...act, by, at }, context);
    return written(outcome, { status: outcome.state.status });
  }
}
