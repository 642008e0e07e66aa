import { Body, Controller, Get, Inject, Param, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import type { RequestContext } from '#libs/kernel';
import { Allow, Commands, Context, pageOf, pageQuery, Reads, visibleTo, written } from '#libs/platform';
import { ACTING_ROLES, READING_ROLES } from '../authority.js';
import { Register } from '../register.js';
import { registryRefusals } from '../registry.refusals.js';
import { division, id } from '../schemas.js';
import { siteStream } from './site.decider.js';
import { SiteRow } from './site.entity.js';
import { siteData } from './site.events.js';

const siteAnswer = siteData.extend({ id, address: z.string().nullable(), registeredAt: z.iso.datetime() });
const siteQuery = z.strictObject({
  ...pageQuery,
  division: division.optional().describe('covers the divisions below it'),
});

@ApiTags('registry')
@Controller('api/v1/sites')
@Reads('registry')
export class SiteController {
  constructor(
    @Inject(Commands) private readonly commands: Commands,
    @Inject(Register) private readonly register: Register,
  ) {}

  @Post()
  @Allow({ roles: ACTING_ROLES })
  @ApiOperation({ summary: 'Register a site that must have a video system (Art. 8)' })
  @ApiCreatedResponse({ standardSchema: z.object({ id }) })
  async registerSite(
    @Body({ schema: siteData }) site: z.output<typeof siteData>,
    @Context() context: RequestContext,
  ): Promise<object> {
    const { principal: by, at } = context;
    await this.register.requireOrganisations(site.managingUnitId);
    const command = { type: 'RegisterSite', by, at, site } as const;
    return written(await this.commands.run(siteStream, context.newId(), command, context));
  }

  @Get()
  @Allow({ roles: READING_ROLES })
  @ApiOperation({ summary: 'Sites of the own unit or jurisdiction' })
  @ApiOkResponse({ standardSchema: pageOf(siteAnswer) })
  async list(
    @Query({ schema: siteQuery }) query: z.output<typeof siteQuery>,
    @Context() { principal }: RequestContext,
  ): Promise<object> {
    return this.register.page(SiteRow, visibleTo(principal), query);
  }

  @Get(':id')
  @Allow({ roles: READING_ROLES })
  @ApiOperation({ summary: 'One site' })
  @ApiOkResponse({ standardSchema: siteAnswer })
  async read(@Param('id', { schema: id }) siteId: string, @Context() { principal }: RequestContext): Promise<object> {
    const site = await this.register.find(SiteRow, visibleTo(principal), siteId);
    if (site === undefined) throw registryRefusals['registry.no-such-site'](siteId);
    return site;
  }
}
