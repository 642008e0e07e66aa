import type { Alongside, EventStore } from '#libs/event-store';
import { streamName } from '#libs/kernel';
import { integrationRefusals } from '../integration.refusals.js';
import { type CameraFeedEvent, cameraFeedEvents } from './camera-feed.events.js';
import type { ConnectionEvent } from './connection.events.js';

/** Who feeds a camera, as of a revision of its stream. */
export interface CameraFeed {
  readonly heldBy: string | undefined;
  readonly expected: bigint | 'no-stream';
}

/** Reads the present feed of a camera; the last event says it all. */
export async function readCameraFeed(store: EventStore, cameraId: string): Promise<CameraFeed> {
  const stream = streamName(cameraFeedEvents.category, cameraId);
  for await (const event of store.readStream(stream, { direction: 'backwards', limit: 1 })) {
    const { type, data, revision } = event as typeof event & CameraFeedEvent;
    return { heldBy: type === 'CameraFeedTaken' ? data.connectionId : undefined, expected: revision };
  }
  return { heldBy: undefined, expected: 'no-stream' };
}

/**
 * Takes or releases the camera's feed in the same transaction as the connection's own change: of connections opened
 * at the same moment one is appended, the others are refused.
 */
export function feedChange(
  connectionId: string,
  { expected }: CameraFeed,
  events: readonly ConnectionEvent[],
): readonly Alongside[] {
  return events.flatMap(({ type, data }) => {
    const change = CHANGES[type];
    if (change === undefined || !('cameraId' in data)) return [];
    return [
      {
        events: cameraFeedEvents,
        id: data.cameraId,
        expected,
        write: [{ type: change, data: { connectionId } }],
        taken: () =>
          integrationRefusals['integration.camera-already-connected']('another connection was opened or shut just now'),
      },
    ];
  });
}

/** What an event of a connection means for the feed of its camera. */
const CHANGES: Readonly<Record<ConnectionEvent['type'], CameraFeedEvent['type'] | undefined>> = {
  ConnectionRequested: undefined,
  ConnectionTested: undefined,
  ConnectionApproved: undefined,
  ConnectionOpened: 'CameraFeedTaken',
  ConnectionSuspended: 'CameraFeedReleased',
  ConnectionClosed: 'CameraFeedReleased',
  ConnectionWithdrawn: undefined,
};
