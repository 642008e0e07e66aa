import { Controller, Get, Inject, Param, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import type { RequestContext } from '#libs/kernel';
import { Allow, Context } from '#libs/platform';
import { Histories } from './histories.js';
import type { Subject } from './history.js';

const PAGE_ROWS_MAX = 500;

const id = z.guid();
const caseNumber = z.string().min(1).max(100);
const position = z.string().regex(/^\d{1,18}$/, 'a position of the event store');
const query = z.strictObject({
  asOf: z
    .union([position, z.iso.datetime({ offset: true })])
    .optional()
    .describe('ISO time of recording, or position, up to which the store is read; default now'),
  after: position.default('0').describe('`nextAfter` of the page before'),
  limit: z.coerce.number().int().min(1).max(PAGE_ROWS_MAX).default(100),
});
type HistoryPageQuery = z.output<typeof query>;

const page = z.object({
  items: z.array(
    z.object({
      position,
      time: z.iso.datetime().describe('when the store recorded it'),
      occurredAt: z.iso.datetime().describe('when it was done, by the clock of the service that decided'),
      type: z.string(),
      meaning: z.object({ en: z.string(), zh: z.string() }),
      actor: z.object({
        kind: z.enum(['person', 'client', 'system']),
        id: z.string(),
        organisationId: z.string().optional(),
        role: z.string().optional(),
      }),
      rules: z.array(z.string()),
      refusal: z.string().optional().describe('code, on an attempt that was refused'),
      stream: z.string(),
      revision: position,
      data: z.unknown().describe('ids and keyed commitments only, no personal data'),
    }),
  ),
  asOf: z.string().describe('position or time up to which was read; send it with the next page'),
  nextAfter: position.nullable().describe('null on the last page'),
});

/** Every reading is itself recorded, before the answer. */
@ApiTags('audit')
@Controller('api/v1/audit')
@Allow({ roles: ['auditor', 'psb-responsible-person'] })
export class AuditController {
  constructor(@Inject(Histories) private readonly histories: Histories) {}

  @Get('cameras/:id/history')
  @ApiOperation({ summary: 'Everything that happened to a camera, as of any moment (Art. 19)' })
  @ApiOkResponse({ standardSchema: page })
  ofCamera(
    @Param('id', { schema: id }) camera: string,
    @Query({ schema: query }) asked: HistoryPageQuery,
    @Context() context: RequestContext,
  ): Promise<object> {
    return this.#page({ kind: 'camera', id: camera }, asked, context);
  }

  @Get('cases/:caseNumber/history')
  @ApiOperation({ summary: 'Requests, grants, sessions, playbacks and clips of a case' })
  @ApiOkResponse({ standardSchema: page })
  ofCase(
    @Param('caseNumber', { schema: caseNumber }) number: string,
    @Query({ schema: query }) asked: HistoryPageQuery,
    @Context() context: RequestContext,
  ): Promise<object> {
    return this.#page({ kind: 'case', id: number }, asked, context);
  }

  @Get('persons/:id/history')
  @ApiOperation({ summary: 'What a person did, and what was done with and for them' })
  @ApiOkResponse({ standardSchema: page })
  ofPerson(
    @Param('id', { schema: id }) person: string,
    @Query({ schema: query }) asked: HistoryPageQuery,
    @Context() context: RequestContext,
  ): Promise<object> {
    return this.#page({ kind: 'person', id: person }, asked, context);
  }

  @Get('grants/:id/history')
  @ApiOperation({ summary: 'A grant from its request to the last frame' })
  @ApiOkResponse({ standardSchema: page })
  ofGrant(
    @Param('id', { schema: id }) grant: string,
    @Query({ schema: query }) asked: HistoryPageQuery,
    @Context() context: RequestContext,
  ): Promise<object> {
    return this.#page({ kind: 'grant', id: grant }, asked, context);
  }

  #page(subject: Subject, { asOf, after, limit }: HistoryPageQuery, context: RequestContext): Promise<object> {
    return this.histories.page(subject, { asOf, after: BigInt(after), limit }, context);
  }
}
