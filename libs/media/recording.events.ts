import { z } from 'zod';
import { defineEvents, type EventOf } from '#libs/kernel';
import { SOURCE_FAILURES } from './source-connection.js';

const time = z.iso.datetime({ precision: 3 });
const digest = z.string().regex(/^[0-9a-f]{64}$/);
const range = z.strictObject({ from: time, to: time });

/** Gaps of one minute that a seal names; each is at least half a second long. */
export const GAPS_MAX = 120;

/** What happens to the recording of one camera; stream `recording-<cameraId>`. */
export const recordingEvents = defineEvents('media', 'recording', {
  RecordingStarted: {
    data: z.strictObject({
      at: time,
      codec: z.string().max(100),
      width: z.int().min(1).max(65_535),
      height: z.int().min(1).max(65_535),
    }),
    version: 1,
    meaning: [
      'The first video of a camera was recorded since the gateway began to pull it',
      '网关开始录制摄像设备视频',
    ],
    since: '0.1',
    rules: ['gz117:17(7)'],
  },
  RecordingSealed: {
    data: z.strictObject({
      /** Segments that begin in this minute UTC. */
      minute: time,
      from: time,
      to: time,
      segments: z.int().min(1).max(1_000),
      /** RFC 6962 Merkle tree hash over the segments' SHA-256, in the order of time. */
      root: digest,
      /** Parts of the minute that no segment covers. */
      gaps: z.array(range).max(GAPS_MAX),
    }),
    version: 1,
    meaning: [
      'A minute of recorded video was sealed: any later change can be seen',
      '一分钟录像已封存，事后改动可被发现',
    ],
    since: '0.1',
    rules: ['gz117:17(7)', 'gz117:17(8)'],
  },
  SourceInterrupted: {
    data: z.strictObject({ at: time, reason: z.enum(SOURCE_FAILURES) }),
    version: 1,
    meaning: ['The video of a camera stopped coming', '摄像设备视频中断'],
    since: '0.1',
    rules: ['gz117:17(7)'],
  },
  SourceRestored: {
    data: z.strictObject({ at: time, interruptedMs: z.int().min(0) }),
    version: 1,
    meaning: ['The video of a camera comes again', '摄像设备视频恢复'],
    since: '0.1',
    rules: ['gz117:17(7)'],
  },
});

export type RecordingEvent = EventOf<typeof recordingEvents>;
