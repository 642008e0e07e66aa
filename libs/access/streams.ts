import { Inject, Injectable } from '@nestjs/common';
import { EventStore } from '#libs/event-store';
import { type DomainCommand, type DomainEvent, type StreamDefinition, streamName } from '#libs/kernel';
import { platformRefusals } from '#libs/platform';
import { accessRefusals } from './access.refusals.js';
import { type GrantState, grantStream } from './grant/grant.decider.js';
import { type RetrievalSessionState, retrievalSessionStream } from './retrieval-session/retrieval-session.decider.js';

/** States read from the streams themselves: what decisions rest on must not lag. */
@Injectable()
export class Streams {
  constructor(@Inject(EventStore) readonly store: EventStore) {}

  /**
   * The state of an entity after everything that has been appended; `initialState` when there is none.
   * @throws Refusal `platform.unavailable` when the event store does not answer: no answer is never a yes
   */
  async state<State, C extends DomainCommand, E extends DomainEvent>(
    { events, decider }: StreamDefinition<State, C, E>,
    id: string,
  ): Promise<State> {
    let state = decider.initialState();
    try {
      for await (const event of this.store.readStream(streamName(events.category, id))) {
        state = decider.evolve(state, event as unknown as E);
      }
    } catch (error) {
      throw platformRefusals['platform.unavailable'](`the event store does not answer: ${(error as Error).name}`);
    }
    return state;
  }

  grant(id: string): Promise<GrantState> {
    return this.state(grantStream, id);
  }

  async session(id: string | undefined): Promise<RetrievalSessionState> {
    return id === undefined ? { status: 'none' } : this.state(retrievalSessionStream, id);
  }

  /** The grant that a session was opened under. @throws Refusal `access.no-such-session` */
  async grantOfSession(sessionId: string): Promise<GrantState> {
    const session = await this.session(sessionId);
    if (session.status === 'none') throw accessRefusals['access.no-such-session']('unknown id');
    return this.grant(session.grantId);
  }
}
