import { assertNever, type Decider, type StreamDefinition } from '#libs/kernel';
import { type ClipEvent, type ClipExported, clipEvents } from './clip.events.js';
import { mediaRefusals } from './media.refusals.js';

/** What media knows, by events, of the grant that a clip was made under. */
export interface GrantOfClip {
  readonly personIds: readonly string[];
  readonly revoked: boolean;
  readonly validTo: string;
}

type ClipCommand =
  | { readonly type: 'RecordClip'; readonly clip: ClipExported }
  | {
      readonly type: 'FetchClip';
      readonly part: 'clip' | 'manifest';
      readonly personId: string;
      readonly at: string;
      readonly grant: GrantOfClip | undefined;
    };

export type ClipState = { readonly status: 'none' } | { readonly status: 'exported'; readonly clip: ClipExported };

const clipDecider: Decider<ClipState, ClipCommand, ClipEvent> = {
  decide: (command, state) => {
    switch (command.type) {
      case 'RecordClip':
        return state.status === 'exported' ? [] : [{ type: 'ClipExported', data: command.clip }];
      case 'FetchClip': {
        const { grant, personId, at, part } = command;
        const open = grant !== undefined && !grant.revoked && at < grant.validTo && grant.personIds.includes(personId);
        if (state.status === 'none' || !open) {
          throw mediaRefusals['media.no-such-clip']('none that this person may fetch at this moment');
        }
        return [{ type: 'ClipFetched', data: { part } }];
      }
      default:
        return assertNever(command);
    }
  },
  evolve: (state, event) => {
    switch (event.type) {
      case 'ClipExported':
        return { status: 'exported', clip: event.data };
      case 'ClipFetched':
        return state;
    }
  },
  initialState: () => ({ status: 'none' }),
};

export const clipStream: StreamDefinition<ClipState, ClipCommand, ClipEvent> = {
  events: clipEvents,
  decider: clipDecider,
};
