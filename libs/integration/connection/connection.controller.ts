import { Body, Controller, Get, Inject, Param, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import type { CommandOutcome } from '#libs/event-store';
import type { RequestContext, Role } from '#libs/kernel';
import { Allow, Context, pageOf, pageQuery, Reads, visibleTo, written } from '#libs/platform';
import { integrationRefusals } from '../integration.refusals.js';
import { type ConnectionState, STAGES } from './connection.decider.js';
import { connectionData, id, reason, testData } from './connection.events.js';
import { ConnectionView } from './connection.view.js';
import { Connections } from './connections.js';

/** Roles that act on connections; whether this very one is theirs the decider says. */
const ACTING_ROLES: readonly Role[] = ['managing-unit-clerk', 'psb-filing-officer'];
const READING_ROLES: readonly Role[] = [...ACTING_ROLES, 'psb-responsible-person', 'auditor'];

const credentials = z.strictObject({ username: z.string().min(1).max(100), password: z.string().max(200) });
const requestBody = connectionData.extend({
  credentials: credentials.optional().describe('kept in the secret store, never shown again'),
});
const withReason = z.strictObject({ reason });

const status = z.enum(STAGES);
const stageAnswer = z.object({ id, status });
const testAnswer = z.object({ id, status, test: testData });
const division = z.string();
const connectionAnswer = connectionData.extend({
  id,
  division,
  managingUnitId: id,
  hasCredentials: z.boolean(),
  requestedBy: id,
  status,
  lastTest: testData.nullable(),
  lastTestedAt: z.iso.datetime().nullable(),
  approvedByBureau: id.nullable(),
  reason: reason.nullable().describe('why it was last suspended or closed'),
  requestedAt: z.iso.datetime(),
  changedAt: z.iso.datetime(),
});
const connectionQuery = z.strictObject({
  ...pageQuery,
  division: z
    .string()
    .regex(/^\d{2,6}$/)
    .optional()
    .describe('covers the divisions below it'),
  cameraId: id.optional(),
});

@ApiTags('integration')
@Controller('api/v1/connections')
@Reads('integration')
export class ConnectionController {
  constructor(
    @Inject(Connections) private readonly connections: Connections,
    @Inject(ConnectionView) private readonly view: ConnectionView,
  ) {}

  @Post()
  @Allow({ roles: ACTING_ROLES })
  @ApiOperation({ summary: 'Ask for an interface connection to a camera (Art. 7)' })
  @ApiCreatedResponse({ standardSchema: stageAnswer })
  async requestConnection(
    @Body({ schema: requestBody }) { credentials, ...connection }: z.output<typeof requestBody>,
    @Context() context: RequestContext,
  ): Promise<object> {
    return staged(await this.connections.request(connection, credentials, context));
  }

  @Post(':id/test')
  @Allow({ roles: ACTING_ROLES })
  @ApiOperation({ summary: 'Probe the stream: reachable, codec, resolution, frame rate; failure is an answer too' })
  @ApiCreatedResponse({ standardSchema: testAnswer })
  async test(@Param('id', { schema: id }) connectionId: string, @Context() context: RequestContext): Promise<object> {
    const outcome = await this.connections.test(connectionId, context);
    const test = outcome.events.find((event) => event.type === 'ConnectionTested')?.data;
    return written(outcome, { status: outcome.state.status, test });
  }

  @Post(':id/approval')
  @Allow({ roles: ACTING_ROLES })
  @ApiOperation({ summary: 'Approve: a filing officer with jurisdiction who has not asked for it (Art. 4.2, 7)' })
  @ApiCreatedResponse({ standardSchema: stageAnswer })
  async approve(
    @Param('id', { schema: id }) connectionId: string,
    @Context() context: RequestContext,
  ): Promise<object> {
    return staged(await this.connections.approve(connectionId, context));
  }

  @Post(':id/opening')
  @Allow({ roles: ACTING_ROLES })
  @ApiOperation({ summary: 'Open, or open again after a suspension: tested and approved connections only (Art. 7)' })
  @ApiCreatedResponse({ standardSchema: stageAnswer })
  async open(@Param('id', { schema: id }) connectionId: string, @Context() context: RequestContext): Promise<object> {
    return staged(await this.connections.open(connectionId, context));
  }

  @Post(':id/suspension')
  @Allow({ roles: ACTING_ROLES })
  @ApiOperation({ summary: 'Suspend an open connection' })
  @ApiCreatedResponse({ standardSchema: stageAnswer })
  async suspend(
    @Param('id', { schema: id }) connectionId: string,
    @Body({ schema: withReason }) { reason }: z.output<typeof withReason>,
    @Context() context: RequestContext,
  ): Promise<object> {
    return staged(await this.connections.suspend(connectionId, reason, context));
  }

  @Post(':id/closure')
  @Allow({ roles: ACTING_ROLES })
  @ApiOperation({ summary: 'Close for good' })
  @ApiCreatedResponse({ standardSchema: stageAnswer })
  async close(
    @Param('id', { schema: id }) connectionId: string,
    @Body({ schema: withReason }) { reason }: z.output<typeof withReason>,
    @Context() context: RequestContext,
  ): Promise<object> {
    return staged(await this.connections.close(connectionId, reason, context));
  }

  @Get()
  @Allow({ roles: READING_ROLES })
  @ApiOperation({ summary: 'Connections of the own unit or jurisdiction' })
  @ApiOkResponse({ standardSchema: pageOf(connectionAnswer) })
  list(
    @Query({ schema: connectionQuery }) query: z.output<typeof connectionQuery>,
    @Context() { principal }: RequestContext,
  ): Promise<object> {
    return this.view.page(visibleTo(principal), query);
  }

  @Get(':id')
  @Allow({ roles: READING_ROLES })
  @ApiOperation({ summary: 'One connection' })
  @ApiOkResponse({ standardSchema: connectionAnswer })
  async read(
    @Param('id', { schema: id }) connectionId: string,
    @Context() { principal }: RequestContext,
  ): Promise<object> {
    const connection = await this.view.find(visibleTo(principal), connectionId);
    if (connection === undefined) throw integrationRefusals['integration.no-such-connection'](connectionId);
    return connection;
  }
}

function staged(outcome: CommandOutcome<ConnectionState, unknown>): object {
  return written(outcome, { status: outcome.state.status });
}
