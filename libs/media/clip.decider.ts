import type { Decider, StreamDefinition } from '#libs/kernel';
import { type ClipEvent, clipEvents } from './clip.events.js';

type ClipExported = ClipEvent['data'];

interface RecordClip {
  readonly type: 'RecordClip';
  readonly clip: ClipExported;
}

export type ClipState = { readonly status: 'none' } | { readonly status: 'exported'; readonly clip: ClipExported };

const clipDecider: Decider<ClipState, RecordClip, ClipEvent> = {
  decide: ({ clip }, state) => (state.status === 'exported' ? [] : [{ type: 'ClipExported', data: clip }]),
  evolve: (_, { data }) => ({ status: 'exported', clip: data }),
  initialState: () => ({ status: 'none' }),
};

export const clipStream: StreamDefinition<ClipState, RecordClip, ClipEvent> = {
  events: clipEvents,
  decider: clipDecider,
};
