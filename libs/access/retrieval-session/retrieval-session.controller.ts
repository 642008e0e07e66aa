import { Body, Controller, Get, HttpCode, Inject, Param, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import type { RequestContext } from '#libs/kernel';
import { Allow, Commands, Context, pageOf, pageQuery, Reads, written } from '#libs/platform';
import { Vault } from '#libs/vault';
import { accessRefusals } from '../access.refusals.js';
import { ASKING_ROLES, READING_ROLES } from '../authority.js';
import { RetrievalSessionRow } from '../dossier.entity.js';
import { Dossiers } from '../dossier.view.js';
import { Facts } from '../facts.view.js';
import { Streams } from '../streams.js';
import { entityId, freeText, instant, sha256 } from '../terms.js';
import { unmet } from './retrieval-conditions.js';
import { type RetrievalSessionCommand, retrievalSessionStream } from './retrieval-session.decider.js';
import { DISPOSITIONS, registerEntry } from './retrieval-session.events.js';
import { UNDERTAKING } from './undertaking.js';

const identified = z.object({ id: entityId });
const openBody = z.strictObject({ grantId: entityId });
const checkInBody = z.strictObject({
  credentialNumber: z.string().trim().min(1).max(64).describe('compared with the one on file; never stored here'),
});
const documentBody = z.strictObject({ sha256 });
const undertakingBody = z.strictObject({ textSha256: sha256.describe('text that GET of a session shows') });
/** What is missing is refused by the rule (16(4)), not as a malformed request. */
const entryBody = registerEntry.partial();
const closureBody = z.strictObject({
  disposition: z.enum(DISPOSITIONS),
  destination: freeText(300).optional().describe('where the copies are now; no names of persons'),
});

const statuses = ['preparing', 'started', 'closed'] as const;
const answer = z.object({
  id: entityId,
  status: z.enum(statuses),
  grantId: entityId,
  organisationId: entityId,
  checkIns: z.array(z.object({ personId: entityId, authenticatedAt: instant })),
  documentSha256: sha256.optional(),
  entry: registerEntry.optional(),
  signedBy: z.array(entityId),
  investigatorIds: z.array(entityId).optional(),
  endsAt: instant.optional(),
  changedAt: z.iso.datetime(),
});
const one = answer.extend({
  unmet: z
    .array(z.object({ code: z.string(), rules: z.array(z.string()) }))
    .describe('conditions of Art. 16 that do not hold at this moment; while preparing'),
  undertaking: z.object({ text: z.string(), sha256 }).describe('what each investigator signs (16(5))'),
});
const query = z.strictObject({ ...pageQuery, status: z.enum(statuses).optional() });

type WithoutGiven<C> = C extends RetrievalSessionCommand ? Omit<C, 'by' | 'at' | 'grant'> : never;

@ApiTags('access')
@Controller('api/v1/retrieval-sessions')
@Reads('access')
export class RetrievalSessionController {
  constructor(
    @Inject(Commands) private readonly commands: Commands,
    @Inject(Facts) private readonly facts: Facts,
    @Inject(Dossiers) private readonly dossiers: Dossiers,
    @Inject(Streams) private readonly streams: Streams,
    @Inject(Vault) private readonly vault: Vault,
  ) {}

  @Post()
  @Allow({ roles: ASKING_ROLES })
  @ApiOperation({ summary: 'Open a retrieval session under a grant (Art. 16)' })
  @ApiCreatedResponse({ standardSchema: identified })
  async open(
    @Body({ schema: openBody }) { grantId }: z.output<typeof openBody>,
    @Context() context: RequestContext,
  ): Promise<object> {
    const grant = await this.streams.grant(grantId);
    const command = { type: 'OpenSession', by: context.principal, at: context.at, grant, grantId } as const;
    return written(await this.commands.run(retrievalSessionStream, context.newId(), command, context));
  }

  @Post(':id/check-ins')
  @HttpCode(200)
  @Allow({ roles: ASKING_ROLES })
  @ApiOperation({ summary: 'An investigator checks in with the own token and enforcement credential (16(1), 16(2))' })
  @ApiOkResponse({ standardSchema: identified })
  async checkIn(
    @Param('id', { schema: entityId }) id: string,
    @Body({ schema: checkInBody }) { credentialNumber }: z.output<typeof checkInBody>,
    @Context() context: RequestContext,
  ): Promise<object> {
    const { id: personId } = context.principal;
    const commitment = await this.vault.commit(personId, 'credential-number', credentialNumber);
    const credential = await this.facts.credential(personId, commitment);
    return this.#run(id, { type: 'CheckIn', credential }, context);
  }

  @Post(':id/approval-document')
  @HttpCode(200)
  @Allow({ roles: ASKING_ROLES })
  @ApiOperation({ summary: 'Show the approval document or certificate by its SHA-256 (16(3))' })
  @ApiOkResponse({ standardSchema: identified })
  async presentDocument(
    @Param('id', { schema: entityId }) id: string,
    @Body({ schema: documentBody }) body: z.output<typeof documentBody>,
    @Context() context: RequestContext,
  ): Promise<object> {
    return this.#run(id, { type: 'PresentDocument', sha256: body.sha256 }, context);
  }

  @Post(':id/register-entry')
  @HttpCode(200)
  @Allow({ roles: ASKING_ROLES })
  @ApiOperation({ summary: 'Complete the register: recorder, retriever, time, purpose, destination (16(4), 17(4))' })
  @ApiOkResponse({ standardSchema: identified })
  async completeRegister(
    @Param('id', { schema: entityId }) id: string,
    @Body({ schema: entryBody }) entry: z.output<typeof entryBody>,
    @Context() context: RequestContext,
  ): Promise<object> {
    const persons = await this.facts.persons(entry.recorderId === undefined ? [] : [entry.recorderId]);
    return this.#run(id, { type: 'CompleteRegister', entry, persons }, context);
  }

  @Post(':id/undertakings')
  @HttpCode(200)
  @Allow({ roles: ASKING_ROLES })
  @ApiOperation({ summary: 'An investigator signs the confidentiality undertaking with the own token (16(5))' })
  @ApiOkResponse({ standardSchema: identified })
  async sign(
    @Param('id', { schema: entityId }) id: string,
    @Body({ schema: undertakingBody }) { textSha256 }: z.output<typeof undertakingBody>,
    @Context() context: RequestContext,
  ): Promise<object> {
    return this.#run(id, { type: 'SignUndertaking', textSha256 }, context);
  }

  @Post(':id/start')
  @HttpCode(200)
  @Allow({ roles: ASKING_ROLES })
  @ApiOperation({ summary: 'Start when all five conditions hold; refused by the first that does not' })
  @ApiOkResponse({ standardSchema: identified })
  async start(@Param('id', { schema: entityId }) id: string, @Context() context: RequestContext): Promise<object> {
    const grant = await this.streams.grantOfSession(id);
    const persons = grant.status === 'none' ? [] : await this.facts.persons(grant.grant.personIds);
    return this.#run(id, { type: 'StartSession', persons }, context);
  }

  @Post(':id/closure')
  @HttpCode(200)
  @Allow({ roles: ASKING_ROLES })
  @ApiOperation({ summary: 'Close and say what became of the copies; nothing plays afterwards (17(4))' })
  @ApiOkResponse({ standardSchema: identified })
  async close(
    @Param('id', { schema: entityId }) id: string,
    @Body({ schema: closureBody }) { disposition, destination }: z.output<typeof closureBody>,
    @Context() context: RequestContext,
  ): Promise<object> {
    return this.#run(id, { type: 'CloseSession', disposition, destination }, context);
  }

  @Get()
  @Allow({ roles: READING_ROLES })
  @ApiOperation({ summary: 'Sessions of the own organisation, for bureaus and auditors of their jurisdiction' })
  @ApiOkResponse({ standardSchema: pageOf(answer) })
  async list(
    @Query({ schema: query }) page: z.output<typeof query>,
    @Context() { principal }: RequestContext,
  ): Promise<object> {
    const { items, nextCursor } = await this.dossiers.page(RetrievalSessionRow, principal, page);
    return { items: items.map(answerOf), nextCursor };
  }

  @Get(':id')
  @Allow({ roles: READING_ROLES })
  @ApiOperation({ summary: 'One session with what is still missing' })
  @ApiOkResponse({ standardSchema: one })
  async read(
    @Param('id', { schema: entityId }) id: string,
    @Context() { principal, at }: RequestContext,
  ): Promise<object> {
    const row = await this.dossiers.find(RetrievalSessionRow, principal, id);
    if (row === undefined) throw accessRefusals['access.no-such-session']('none that may be seen');
    const missing = await this.#unmet(row, at);
    return { ...answerOf(row), unmet: missing.map(({ code, rules }) => ({ code, rules })), undertaking: UNDERTAKING };
  }

  async #unmet({ state }: RetrievalSessionRow, at: string) {
    if (state.status !== 'preparing') return [];
    const grant = await this.streams.grant(state.grantId);
    if (grant.status === 'none') return [];
    return unmet(state, grant.grant, await this.facts.persons(grant.grant.personIds), at);
  }

  async #run(id: string, command: WithoutGiven<RetrievalSessionCommand>, context: RequestContext): Promise<object> {
    const grant = await this.streams.grantOfSession(id);
    const given = { by: context.principal, at: context.at, grant };
    return written(await this.commands.run(retrievalSessionStream, id, { ...command, ...given }, context));
  }
}

function answerOf({ id, state, changedAt }: RetrievalSessionRow): object {
  if (state.status === 'none') throw new Error(`session ${id} has no events`);
  const { checkIns, divisions: _, ...rest } = state;
  const who = checkIns.map(({ personId, authenticatedAt }) => ({ personId, authenticatedAt }));
  return { id, ...rest, checkIns: who, changedAt: changedAt.toISOString() };
}
