import { Inject, Injectable } from '@nestjs/common';
import { EventStore, newEvent } from '#libs/event-store';
import { Clock, type CommandContext, newId, streamName } from '#libs/kernel';
import { Commands } from '#libs/platform';
import { IdentityDirectory } from '../identity.directory.js';
import { personStream } from '../person/person.decider.js';
import { type SignInEvent, signInEvents } from './sign-in.events.js';

/** Why an attempt to sign in failed, as it stands in the record; the person at the door is not told. */
export type SignInFailure = Extract<SignInEvent, { type: 'SignInFailed' }>['data'];

/** Puts enrolments and sign-ins of known people on record; each rejects when it could not. */
export abstract class SignInJournal {
  /** @throws Refusal when the person is deactivated: then nothing may be enrolled */
  abstract enrolled(personId: string): Promise<void>;

  /** @returns whether the person may sign in; false when deactivated, which is recorded too */
  abstract succeeded(personId: string): Promise<boolean>;

  abstract failed(personId: string, failure: SignInFailure): Promise<void>;
}

/** The journal as events: `person-<id>` for enrolments, `signIn-<id>` for sign-ins. */
@Injectable()
export class EventSignInJournal extends SignInJournal {
  constructor(
    @Inject(Commands) private readonly commands: Commands,
    @Inject(EventStore) private readonly store: EventStore,
    @Inject(Clock) private readonly clock: Clock,
    @Inject(IdentityDirectory) private readonly directory: IdentityDirectory,
  ) {
    super();
  }

  override async enrolled(personId: string): Promise<void> {
    const context = this.#context(personId);
    const command = { type: 'EnrolSignIn', at: context.at, personId } as const;
    await this.commands.run(personStream, personId, command, context);
  }

  override async succeeded(personId: string): Promise<boolean> {
    const active = (await this.directory.person(personId)).status === 'active';
    await this.#append(
      personId,
      active ? { type: 'SignInSucceeded', data: {} } : { type: 'SignInFailed', data: { reason: 'deactivated' } },
    );
    return active;
  }

  override failed(personId: string, failure: SignInFailure): Promise<void> {
    return this.#append(personId, { type: 'SignInFailed', data: failure });
  }

  /** Without reading the stream, which grows with every sign-in: nothing is decided on it. */
  async #append(personId: string, event: SignInEvent): Promise<void> {
    const stream = streamName(signInEvents.category, personId);
    const events = [newEvent(signInEvents, event, this.#context(personId))];
    await this.store.append([{ stream, expected: 'any', events }]);
  }

  #context(id: string): CommandContext {
    const correlationId = newId().replaceAll('-', '');
    return { actor: { kind: 'person', id }, at: this.clock.iso(), correlationId, newId };
  }
}
