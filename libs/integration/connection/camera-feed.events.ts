import { z } from 'zod';
import type { EventStore } from '#libs/event-store';
import { defineEvents, type EventOf, streamName } from '#libs/kernel';
import { id } from './connection.events.js';

/** Which connection feeds a camera: one stream a camera, so that the store lets only one connection be open. */
export const cameraFeedEvents = defineEvents('integration', 'cameraFeed', {
  CameraFeedTaken: {
    data: z.strictObject({ connectionId: id }),
    version: 1,
    meaning: ['A connection is the one that feeds the camera', '该接口连接成为摄像设备的唯一视频来源'],
    since: '0.1',
    rules: ['gz117:5.1'],
  },
  CameraFeedReleased: {
    data: z.strictObject({ connectionId: id }),
    version: 1,
    meaning: ['No connection feeds the camera any more', '摄像设备暂无视频来源'],
    since: '0.1',
    rules: ['gz117:5.1'],
  },
});

type CameraFeedEvent = EventOf<typeof cameraFeedEvents>;

/** Who feeds a camera, as of a revision of the stream. */
export interface CameraFeed {
  readonly holder: string | undefined;
  readonly expected: bigint | 'no-stream';
}

/** Reads the present feed of a camera; the last event says it all. */
export async function readCameraFeed(store: EventStore, cameraId: string): Promise<CameraFeed> {
  const stream = streamName(cameraFeedEvents.category, cameraId);
  for await (const event of store.readStream(stream, { direction: 'backwards', limit: 1 })) {
    const { type, data } = event as unknown as CameraFeedEvent;
    return { holder: type === 'CameraFeedTaken' ? data.connectionId : undefined, expected: event.revision };
  }
  return { holder: undefined, expected: 'no-stream' };
}
