import { z } from 'zod';
import { defineEvents, type EventOf } from '#libs/kernel';
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

export type CameraFeedEvent = EventOf<typeof cameraFeedEvents>;
