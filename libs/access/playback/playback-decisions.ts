import { Inject, Injectable } from '@nestjs/common';
import { Clock, newId, type Principal, type RequestContext } from '#libs/kernel';
import { signTicket, TICKET_AUDIENCE, TICKET_ISSUER, type TicketClaims } from '#libs/media';
import { Commands, HUB_CONFIG, type HubConfig } from '#libs/platform';
import { KeyRing, type SigningKey } from '#libs/vault';
import { accessRefusals } from '../access.refusals.js';
import { Facts } from '../facts.view.js';
import { Streams } from '../streams.js';
import { BOUNDS, ms } from '../terms.js';
import { playbackStream, running } from './playback.decider.js';
import type { PlaybackAsk, PlaybackAuthorised } from './playback.events.js';
import { type Asker, type DecisionFacts, decidePlayback } from './playback-decision.js';

/** A ticket and where to use it. */
export interface IssuedTicket {
  readonly playbackId: string;
  readonly ticket: string;
  /** ISO 8601; renew before. */
  readonly expiresAt: string;
  /** HLS playlist (RFC 8216) that the ticket opens. */
  readonly url: string;
}

type Subject = Pick<PlaybackAsk, 'grantId' | 'sessionId' | 'cameraId'>;

/** Decides on playback, records it, and only then signs tickets. */
@Injectable()
export class PlaybackDecisions {
  readonly #key: SigningKey;

  constructor(
    @Inject(Commands) private readonly commands: Commands,
    @Inject(Streams) private readonly streams: Streams,
    @Inject(Facts) private readonly facts: Facts,
    @Inject(Clock) private readonly clock: Clock,
    @Inject(KeyRing) keys: KeyRing,
    @Inject(HUB_CONFIG) private readonly config: HubConfig,
  ) {
    this.#key = keys.signingKey('ticket');
  }

  get ticketKey(): Pick<SigningKey, 'publicKey' | 'kid'> {
    return this.#key;
  }

  /**
   * Decides and records, in this order: the decision is durable before the ticket exists.
   * @throws Refusal with the rule that says no; the attempt is on record (Art. 18(3))
   */
  async authorise(ask: PlaybackAsk, context: RequestContext) {
    const { principal, at } = context;
    const facts = await this.factsFor(ask, askerOf(principal));
    const playbackId = context.newId();
    const command = { type: 'AuthorisePlayback', at, ask, facts } as const;
    const outcome = await this.commands.run(playbackStream, playbackId, command, context);
    return { outcome, issued: await this.ticket(playbackId, principal) };
  }

  /** A ticket for a playback that is on record and still lawful at this moment. @throws Refusal */
  async ticket(playbackId: string, by: Principal): Promise<IssuedTicket> {
    const authorised = running(await this.streams.state(playbackStream, playbackId));
    if (authorised.holder.id !== by.id) throw accessRefusals['access.no-such-playback']('unknown id');
    const facts = await this.factsFor(authorised, askerOf(by));
    const now = this.clock.now();
    const until = decidePlayback(authorised, facts, new Date(now).toISOString());
    // Whole seconds (RFC 7519 §2): rounded down, so that no ticket outlives what it rests on.
    const iat = Math.floor(now / 1_000);
    const exp = Math.min(iat + BOUNDS.ticketMs / 1_000, Math.floor(ms(until) / 1_000));
    if (exp <= iat) throw accessRefusals['access.grant-expired'](`at ${until}`);
    const ticket = signTicket(claimsOf(playbackId, authorised, iat, exp), this.#key);
    const url = `${this.config.publicUrl}/media/playbacks/${playbackId}/index.m3u8?ticket=${ticket}`;
    return { playbackId, ticket, expiresAt: new Date(exp * 1_000).toISOString(), url };
  }

  /** Grant and session from their streams, the rest as the records say now. */
  async factsFor(ask: Subject, asker: Asker): Promise<DecisionFacts> {
    const [grant, session, [camera]] = await Promise.all([
      this.streams.grant(ask.grantId),
      this.streams.session(ask.sessionId),
      this.facts.cameras([ask.cameraId]),
    ]);
    const persons = session.status === 'started' ? await this.facts.persons(session.investigatorIds) : [];
    return { asker, grant, session, camera, persons };
  }

  /** The holder of a playback, as the records know them now. */
  async holderOf({ holder, organisationId }: PlaybackAuthorised): Promise<Asker> {
    const { kind, id } = holder;
    const known = kind === 'client' ? await this.facts.client(id) : (await this.facts.persons([id]))[0];
    return { kind, id, organisationId, active: known?.active === true && known.organisationId === organisationId };
  }
}

/** Who has just passed the guard is active. */
export function askerOf({ kind, id, organisation }: Principal): Asker {
  return { kind, id, organisationId: organisation.id, active: true };
}

function claimsOf(playbackId: string, authorised: PlaybackAuthorised, iat: number, exp: number): TicketClaims {
  const { holder, grantId, sessionId, cameraId, mode, from, to } = authorised;
  return {
    iss: TICKET_ISSUER,
    aud: TICKET_AUDIENCE,
    jti: newId(),
    sub: holder.id,
    pid: playbackId,
    gid: grantId,
    ...(sessionId === undefined ? {} : { sid: sessionId }),
    cam: cameraId,
    mode,
    ...(from === undefined || to === undefined || mode === 'live' ? {} : { from: ms(from), to: ms(to) }),
    iat,
    exp,
  };
}
