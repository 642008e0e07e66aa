import { z } from 'zod';
import { defineEvents, type EventOf } from '#libs/kernel';
import { findDivision } from '#libs/regulation';

export const id = z.guid();
export const reason = z.string().trim().min(1).max(1_000);
const protocol = z.enum(['rtsp', 'rtmp', 'http', 'file']);

const securityProfile = z.strictObject({
  transportEncryption: z.enum(['none', 'tls', 'srtp', 'vpn']),
  mutualAuthentication: z.boolean(),
  networkZone: z
    .enum(['video-transport-network', 'public-security-network', 'government-extranet', 'private-line', 'internet'])
    .describe('network that the stream comes from'),
});

/** What is asked for; the address holds no credentials. */
export const connectionData = z.strictObject({
  cameraId: id,
  protocol,
  address: z.string().trim().min(1).max(500).describe('URL of the stream, or path of a file'),
  securityProfile,
  purpose: reason,
  contactPersonId: id.describe('person to turn to about the connection'),
});

const camera = {
  division: z.string().refine((code) => findDivision(code) !== undefined, 'no division of Guizhou in force'),
  managingUnitId: id,
};
const credentialRef = z.string().min(1).max(200).optional().describe('reference into the secret store');

/** Short code of a reason, such as `unreachable` or `media.source-not-allowed`. */
const failure = z.string().regex(/^[a-z][a-z0-9.-]{0,79}$/);

export const testData = z.discriminatedUnion('passed', [
  z.strictObject({
    passed: z.literal(true),
    codec: z.string().min(1).max(40),
    width: z.int().positive().describe('pixels'),
    height: z.int().positive().describe('pixels'),
    frameRate: z.number().positive().describe('frames a second'),
  }),
  z.strictObject({ passed: z.literal(false), failure }),
]);

export const connectionEvents = defineEvents('integration', 'connection', {
  ConnectionRequested: {
    data: connectionData.extend({ ...camera, credentialRef, requestedBy: id }),
    version: 1,
    meaning: ['An interface connection to a camera has been asked for', '已申请接入摄像设备的接口连接'],
    since: '0.1',
    rules: ['gz117:7'],
  },
  ConnectionTested: {
    data: testData,
    version: 1,
    meaning: ['The hub has probed the stream; passed or failed', '已对视频流进行实际测试'],
    since: '0.1',
    rules: ['gz117:5.2', 'gz117:7'],
  },
  ConnectionApproved: {
    data: z.strictObject({ bureauId: id, bureauDivision: z.string() }),
    version: 1,
    meaning: [
      'A public security organ with jurisdiction has approved the connection',
      '有管辖权的公安机关已批准接口连接',
    ],
    since: '0.1',
    rules: ['gz117:4.2', 'gz117:7'],
  },
  ConnectionOpened: {
    data: z.strictObject({
      cameraId: id,
      protocol,
      address: connectionData.shape.address,
      credentialRef,
    }),
    version: 1,
    meaning: [
      'The connection is open, for the first time or again after a suspension',
      '接口连接已开通（首次开通或暂停后恢复）',
    ],
    since: '0.1',
    rules: ['gz117:7'],
  },
  ConnectionSuspended: {
    data: z.strictObject({ cameraId: id, reason }),
    version: 1,
    meaning: ['The connection has been suspended', '接口连接已暂停'],
    since: '0.1',
    rules: ['gz117:7'],
  },
  ConnectionClosed: {
    data: z.strictObject({ cameraId: id, reason }),
    version: 1,
    meaning: ['The open connection has been closed for good', '已开通的接口连接已关闭'],
    since: '0.1',
    rules: ['gz117:7'],
  },
  ConnectionWithdrawn: {
    data: z.strictObject({ cameraId: id, reason }),
    version: 1,
    meaning: ['A connection that was not open has been given up for good', '未开通或已暂停的接口连接已撤销'],
    since: '0.1',
    rules: ['gz117:7'],
  },
});

export type ConnectionEvent = EventOf<typeof connectionEvents>;
