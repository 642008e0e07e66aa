import type { JsonWebKey } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { Clock, type CommandContext, newId, Refusal, type RequestContext } from '#libs/kernel';
import { AccessPort, type ExportAsk, type ExportAuthorisation, type TicketClaims, type TimeRange } from '#libs/media';
import { Commands, platformRefusals } from '#libs/platform';
import { accessRefusals } from '../access.refusals.js';
import { Facts } from '../facts.view.js';
import { Streams } from '../streams.js';
import { clipDecisionStream, playbackStream, running } from './playback.decider.js';
import { decideExport, decidePlayback } from './playback-decision.js';
import { askerOf, PlaybackDecisions } from './playback-decisions.js';

/** Playbacks looked at side by side; each reads a few short streams. */
const RECHECKS_AT_ONCE = 16;
const RECHECKS_MAX = 500;

/** What the media gateway asks, answered from streams and store at the moment of asking. */
@Injectable()
export class AccessDecisions extends AccessPort {
  constructor(
    @Inject(Commands) private readonly commands: Commands,
    @Inject(Streams) private readonly streams: Streams,
    @Inject(Facts) private readonly facts: Facts,
    @Inject(Clock) private readonly clock: Clock,
    @Inject(PlaybackDecisions) private readonly decisions: PlaybackDecisions,
  ) {
    super();
  }

  override async start(playbackId: string, { sub, cam, gid }: TicketClaims): Promise<void> {
    const authorised = running(await this.streams.state(playbackStream, playbackId));
    if (authorised.holder.id !== sub || authorised.cameraId !== cam || authorised.grantId !== gid) {
      throw accessRefusals['access.no-such-playback']('the ticket belongs to another playback');
    }
    const facts = await this.decisions.factsFor(authorised, await this.decisions.holderOf(authorised));
    const at = this.clock.iso();
    await this.commands.run(playbackStream, playbackId, { type: 'StartPlayback', at, facts }, this.#gateway(at));
  }

  override async recheck(playbackIds: readonly string[]): Promise<{ readonly stillAllowed: readonly string[] }> {
    if (playbackIds.length > RECHECKS_MAX) {
      throw platformRefusals['platform.too-large'](`at most ${RECHECKS_MAX} playbacks at once`);
    }
    // Also with nothing to look at the store must answer: silence is no yes.
    await this.streams.store.head();
    const stillAllowed: string[] = [];
    for (let i = 0; i < playbackIds.length; i += RECHECKS_AT_ONCE) {
      const some = playbackIds.slice(i, i + RECHECKS_AT_ONCE);
      const allowed = await Promise.all(some.map((id) => this.#stillAllowed(id)));
      stillAllowed.push(...some.filter((_, n) => allowed[n]));
    }
    return { stillAllowed };
  }

  override async stopped(playbackId: string, reason: string, ranges: readonly TimeRange[]): Promise<void> {
    const context = this.#gateway(this.clock.iso());
    await this.commands.run(playbackStream, playbackId, { type: 'StopPlayback', reason, ranges }, context);
  }

  override async ticketKeys(): Promise<readonly JsonWebKey[]> {
    const { publicKey, kid } = this.decisions.ticketKey;
    return [{ ...publicKey.export({ format: 'jwk' }), kid, alg: 'EdDSA', use: 'sig' }];
  }

  override async authoriseExport(ask: ExportAsk, context: RequestContext): Promise<ExportAuthorisation> {
    const { clipId, ...wanted } = ask;
    const facts = await this.decisions.factsFor(wanted, askerOf(context.principal));
    const command = { type: 'AuthoriseExport', at: context.at, ask: wanted, facts } as const;
    const { repeated } = await this.commands.run(clipDecisionStream, clipId, command, context);
    // What was decided under the same key before may be lawful no more.
    if (repeated) decideExport(wanted, facts, context.at);
    const { grant, session } = facts;
    if (grant.status === 'none' || session.status !== 'started' || session.entry === undefined) {
      throw new Error('an authorised export has a grant and a started session');
    }
    const { requestId, organisationId, basis, purpose, caseNumber } = grant.grant;
    const [camera] = await this.facts.cameras([ask.cameraId]);
    const { destination } = session.entry;
    return { requestId, organisationId, basis, purpose, caseNumber, destination, gbDeviceId: camera?.gbId };
  }

  async #stillAllowed(playbackId: string): Promise<boolean> {
    try {
      const authorised = running(await this.streams.state(playbackStream, playbackId));
      const facts = await this.decisions.factsFor(authorised, await this.decisions.holderOf(authorised));
      decidePlayback(authorised, facts, this.clock.iso());
      return true;
    } catch (error) {
      // A rule's no ends one playback; a part that does not answer is no answer about any of them.
      if (error instanceof Refusal && error.kind !== 'unavailable') return false;
      throw error;
    }
  }

  #gateway(at: string): CommandContext {
    const actor = { kind: 'system', id: 'media-gateway' } as const;
    return { actor, at, correlationId: newId().replaceAll('-', ''), newId };
  }
}
