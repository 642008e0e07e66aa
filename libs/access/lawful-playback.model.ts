import { fold, type Principal, Refusal } from '#libs/kernel';
import {
  ask as asked,
  at,
  camera,
  certificateSha256,
  entry,
  ids,
  people,
  request,
  shareAsk,
} from './access.fixture.js';
import { accessRequestDecider } from './access-request/access-request.decider.js';
import { grantDecider, grantOf } from './grant/grant.decider.js';
import type { Deed, Paper, Ticket } from './lawful-playback.oracle.js';
import { playbackDecider } from './playback/playback.decider.js';
import { retrievalSessionDecider } from './retrieval-session/retrieval-session.decider.js';
import { UNDERTAKING } from './retrieval-session/undertaking.js';
import type { PersonFact } from './terms.js';

/** The deciders of the hub; a control breaks one of them. */
export const deciders = {
  request: accessRequestDecider,
  grant: grantDecider,
  session: retrievalSessionDecider,
  playback: playbackDecider,
};
export type Deciders = typeof deciders;

export type Who = 'officer' | 'li' | 'wang' | 'chief' | 'stranger' | 'client';
export type Credential = 'filed' | 'brief' | 'foreign' | 'none';

/** What anybody may try at any moment. */
export type Try =
  | { readonly do: 'pass'; readonly minutes: number }
  | { readonly do: 'sign in' | 'open' | 'start' | 'close' | 'revoke' | 'withdraw credential'; readonly by: Who }
  | { readonly do: 'request'; readonly by: Who; readonly share: boolean; readonly persons: readonly Who[] }
  | { readonly do: 'approve'; readonly by: Who; readonly to: number }
  | { readonly do: 'check in'; readonly by: Who; readonly credential: Credential }
  | { readonly do: 'show document' | 'sign undertaking'; readonly by: Who; readonly right: boolean }
  | { readonly do: 'register'; readonly by: Who; readonly lacking: keyof typeof entry | undefined }
  | {
      readonly do: 'play';
      readonly by: Who;
      readonly live: boolean;
      readonly hour: number;
      readonly camera: 0 | 1;
    }
  | { readonly do: 'go on' };

const numbered = (n: number) => `00000000-0000-7000-9000-${String(n).padStart(12, '0')}`;
const hourOf = (hour: number) => new Date(Date.parse('2026-03-01T00:00:00.000Z') + hour * 3_600_000).toISOString();

/** One city: its people, what they did, and what the deciders made of it. */
export class City {
  readonly history: Deed[] = [];
  readonly tickets: Ticket[] = [];
  #minutes = 0;
  readonly #signedIn = new Map<Who, string>();
  readonly #withdrawn = new Set<string>();
  readonly #requests: Parameters<Deciders['request']['evolve']>[1][][] = [];
  readonly #grants: { request: number; events: Parameters<Deciders['grant']['evolve']>[1][] }[] = [];
  readonly #sessions: { grant: number; events: Parameters<Deciders['session']['evolve']>[1][] }[] = [];
  readonly #playbacks: { ticket: Ticket; events: Parameters<Deciders['playback']['evolve']>[1][] }[] = [];

  constructor(readonly deciders: Deciders) {}

  get #now(): string {
    return at(this.#minutes);
  }

  #principal(by: Who): Principal {
    const since = this.#signedIn.get(by);
    return { ...people[by], authenticatedAt: since === undefined ? 0 : Date.parse(since) };
  }

  #papers(person: string): Record<Exclude<Credential, 'none'>, Paper> {
    const validFrom = at(-60);
    const paper = (id: string, change = {}) => ({ id, issuer: 'provincial-government', validFrom, ...change });
    return {
      filed: paper(`${person} filed`, { validTo: at(2 * 24 * 60) }) as Paper,
      brief: paper(`${person} brief`, { validTo: at(45) }) as Paper,
      foreign: paper(`${person} foreign`, { issuer: 'other', validTo: at(2 * 24 * 60) }) as Paper,
    };
  }

  get #persons(): PersonFact[] {
    return (['li', 'wang', 'officer', 'chief'] as const).map((by) => ({
      id: people[by].id,
      organisationId: ids.transport,
      active: true,
      credentials: Object.values(this.#papers(by)).filter(({ id }) => !this.#withdrawn.has(id)),
    }));
  }

  /** Lets somebody try; what the deciders let through is remembered. */
  try(step: Try): void {
    try {
      this.#try(step);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
    }
  }

  #try(step: Try): void {
    switch (step.do) {
      case 'pass':
        this.#minutes += step.minutes;
        return;
      case 'sign in':
        this.#signedIn.set(step.by, this.#now);
        return;
      case 'withdraw credential': {
        const paperId = this.#papers(step.by).filed.id;
        this.#withdrawn.add(paperId);
        this.history.push({ did: step.do, by: step.by, at: this.#now, paperId });
        return;
      }
      case 'request':
        this.#request(step);
        return;
      case 'approve':
        this.#approve(step);
        return;
      case 'revoke': {
        const grant = this.#grants.length - 1;
        const events = this.#grants[grant]?.events ?? [];
        const by = this.#principal(step.by);
        const command = { type: 'RevokeGrant', by, at: this.#now, reason: 'x' } as const;
        events.push(...this.deciders.grant.decide(command, fold(this.deciders.grant, events)));
        this.history.push({ did: 'revoke', by: by.id, at: this.#now, grant });
        return;
      }
      case 'play':
        this.#play(step);
        return;
      case 'go on':
        this.#goOn();
        return;
      default:
        this.#session(step);
        return;
    }
  }

  #request({ by, share, persons }: Extract<Try, { do: 'request' }>): void {
    const personIds = persons.map((p) => people[p].id);
    const validTo = at(this.#minutes + 2 * 24 * 60);
    const ask = { ...(share ? shareAsk : asked), personIds, live: true, validFrom: this.#now, validTo };
    const client = { id: ids.client, organisationId: ids.transport, active: true };
    const command = request({ by: this.#principal(by), at: this.#now, ask, persons: this.#persons, client });
    this.#requests.push([...this.deciders.request.decide(command, { status: 'none' })]);
    this.history.push({
      did: 'request',
      by: people[by].id,
      at: this.#now,
      request: this.#requests.length - 1,
      basis: ask.basis,
      acts: ask.acts,
      live: ask.live,
      window: ask.window,
      cameraIds: ask.cameraIds,
      investigators: personIds,
      client: ask.clientId,
      certificate: ask.certificateSha256,
      validTo,
    });
  }

  #approve({ by, to }: Extract<Try, { do: 'approve' }>): void {
    const events = this.#requests.at(-1) ?? [];
    const state = fold(this.deciders.request, events);
    const share = state.status !== 'none' && state.request.basis === 'gz117:7';
    const window = share ? undefined : { from: hourOf(8), to: hourOf(to) };
    const shortening = window === undefined ? {} : { window };
    const grantId = numbered(this.#grants.length);
    const cameras = [camera(ids.camera), camera(ids.camera2)];
    const given = { by: this.#principal(by), at: this.#now, cameras };
    const approval = {
      type: 'ApproveRequest',
      ...given,
      grantId,
      shortening,
      approvalDocumentSha256: undefined,
    } as const;
    events.push(...this.deciders.request.decide(approval, state));
    const after = fold(this.deciders.request, events);
    if (after.status !== 'approved') return;
    const request = this.#requests.length - 1;
    this.#grants.push({ request, events: [grantOf(numbered(request), after.request, after.approval)] });
    const grant = this.#grants.length - 1;
    const deed = { did: 'approve', by: people[by].id, at: this.#now, request, grant, bureau: by === 'chief' } as const;
    this.history.push({ ...deed, to: window, validTo: undefined });
  }

  #session(step: Extract<Try, { by: Who }>): void {
    const opening = step.do === 'open';
    const session = opening ? this.#sessions.length : this.#sessions.length - 1;
    const target = opening ? { grant: this.#grants.length - 1, events: [] } : this.#sessions[session];
    if (target === undefined) return;
    const grant = fold(this.deciders.grant, this.#grants[target.grant]?.events ?? []);
    const by = this.#principal(step.by);
    const given = { by, at: this.#now, grant };
    const done = { by: by.id, at: this.#now, session };
    const decide = (command: Parameters<Deciders['session']['decide']>[0], deed: Deed) => {
      target.events.push(...this.deciders.session.decide(command, fold(this.deciders.session, target.events)));
      if (opening) this.#sessions.push(target);
      this.history.push(deed);
    };
    switch (step.do) {
      case 'open': {
        const command = { type: 'OpenSession', ...given, grantId: numbered(target.grant) } as const;
        decide(command, { did: 'open', ...done, grant: target.grant });
        return;
      }
      case 'check in': {
        const paper = step.credential === 'none' ? undefined : this.#papers(step.by)[step.credential];
        const credential = paper !== undefined && this.#withdrawn.has(paper.id) ? undefined : paper;
        const signedInAt = this.#signedIn.get(step.by) ?? at(-1e6);
        decide({ type: 'CheckIn', ...given, credential }, { did: 'check in', ...done, signedInAt, paper });
        return;
      }
      case 'show document': {
        const sha256 = step.right ? certificateSha256 : 'f'.repeat(64);
        decide({ type: 'PresentDocument', ...given, sha256 }, { did: 'show document', ...done, sha256 });
        return;
      }
      case 'register': {
        const filled = step.lacking === undefined ? entry : { ...entry, [step.lacking]: undefined };
        const command = { type: 'CompleteRegister', ...given, entry: filled, persons: this.#persons } as const;
        decide(command, { did: 'register', ...done, entry: filled });
        return;
      }
      case 'sign undertaking': {
        const textSha256 = step.right ? UNDERTAKING.sha256 : 'f'.repeat(64);
        decide({ type: 'SignUndertaking', ...given, textSha256 }, { did: 'sign undertaking', ...done });
        return;
      }
      case 'start':
        decide({ type: 'StartSession', ...given, persons: this.#persons }, { did: 'start', ...done });
        return;
      case 'close': {
        const command = {
          type: 'CloseSession',
          ...given,
          disposition: 'nothing-copied',
          destination: undefined,
        } as const;
        decide(command, { did: 'close', ...done });
        return;
      }
    }
  }

  #facts(by: Principal, grant: number, session: number) {
    return {
      asker: { kind: by.kind, id: by.id, organisationId: by.organisation.id, active: true },
      grant: fold(this.deciders.grant, this.#grants[grant]?.events ?? []),
      session: fold(this.deciders.session, this.#sessions[session]?.events ?? []),
      camera: camera(ids.camera),
      persons: this.#persons,
    };
  }

  #play(step: Extract<Try, { do: 'play' }>): void {
    const [grant, session] = [this.#grants.length - 1, this.#sessions.length - 1];
    const cameraId = step.camera === 0 ? ids.camera : ids.camera2;
    const range = step.live ? {} : { from: hourOf(step.hour), to: hourOf(step.hour + 0.5) };
    const mode = step.live ? ('live' as const) : ('recorded' as const);
    const ask = { grantId: numbered(grant), sessionId: numbered(session), cameraId, mode, ...range };
    const by = this.#principal(step.by);
    const command = { type: 'AuthorisePlayback', at: this.#now, ask, facts: this.#facts(by, grant, session) } as const;
    const events = [...this.deciders.playback.decide(command, { status: 'none' })];
    const [event] = events;
    if (event?.type !== 'PlaybackAuthorised') return;
    const { from, to } = ask as { from?: string; to?: string };
    const { until } = event.data;
    const ticket = { at: this.#now, holder: by.id, grant, session, cameraId, mode, from, to, until };
    this.#playbacks.push({ ticket, events });
    this.tickets.push(ticket);
  }

  /** The media gateway asks again for the last playback. */
  #goOn(): void {
    const last = this.#playbacks.at(-1);
    if (last === undefined) return;
    const { ticket, events } = last;
    const who = Object.values(people).find(({ id }) => id === ticket.holder)!;
    const facts = this.#facts(who, ticket.grant, ticket.session ?? -1);
    const command = { type: 'StartPlayback', at: this.#now, facts } as const;
    this.deciders.playback.decide(command, fold(this.deciders.playback, events));
    this.tickets.push({ ...ticket, at: this.#now });
  }
}
