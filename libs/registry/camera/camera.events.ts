import { z } from 'zod';
import { defineEvents, type EventOf } from '#libs/kernel';
import { PROHIBITED_PLACES } from '#libs/regulation';
import { day, division, funding, id, name, sha256, text } from '../schemas.js';

const prohibitedPlace = z.enum(PROHIBITED_PLACES.map(({ place }) => place));

/** WGS-84, within Guizhou (a box around the province). */
export const position = z.strictObject({
  longitude: z.number().min(103.6).max(109.6).describe('degrees east, WGS-84'),
  latitude: z.number().min(24.6).max(29.3).describe('degrees north, WGS-84'),
  heightM: z.number().min(-100).max(500).describe('metres above ground'),
});

const fieldOfView = z.strictObject({
  azimuthDeg: z.number().min(0).lt(360).describe('degrees clockwise from true north'),
  tiltDeg: z.number().min(-90).max(90).describe('degrees above the horizon, below is negative'),
  horizontalDeg: z.number().gt(0).max(360).describe('horizontal angle of view in degrees'),
  rangeM: z.number().gt(0).max(5_000).describe('how far it sees, metres'),
});

export const cameraData = z.strictObject({
  systemId: id,
  gbId: z
    .string()
    .regex(/^\d{20}$/, '20 digits')
    .describe('GB/T 28181 id'),
  name,
  place: z.union([z.literal('ordinary'), prohibitedPlace]).describe('kind of place it looks at (Art. 9.1)'),
  position,
  fieldOfView,
  sign: z
    .strictObject({ photoSha256: sha256, installedAt: day })
    .nullable()
    .describe('conspicuous sign (Art. 10); needed in public places'),
  product: z.strictObject({
    manufacturer: name,
    model: name,
    certificateNumber: z.string().trim().min(1).max(100),
    certificateValidTo: day.describe('last day on which the test certificate is valid'),
  }),
});

/** What a camera has from the system that it belongs to. */
const ofSystem = { siteId: id, division, funding, managingUnitId: id, purpose: text };

export const cameraEvents = defineEvents('registry', 'camera', {
  CameraRegistered: {
    data: cameraData.extend({ place: z.literal('ordinary'), ...ofSystem }),
    version: 1,
    meaning: [
      'A camera with fixed position and field of view has been registered',
      '摄像设备已登记，位置和镜头所及范围固定',
    ],
    since: '0.1',
    rules: ['gz117:10', 'gz117:14'],
  },
  CameraRegistrationRefused: {
    data: cameraData.extend({ place: prohibitedPlace, ...ofSystem }),
    version: 1,
    meaning: [
      'An attempt to register a camera in a prohibited place has been refused',
      '在禁止场所登记摄像设备的申请已被拒绝',
    ],
    since: '0.1',
    rules: ['gz117:9.1', 'gz117:21'],
  },
});

export type CameraEvent = EventOf<typeof cameraEvents>;

/** Reservations of GB/T 28181 ids: the stream's name holds the id, so that the store lets only one camera have it. */
export const gbDeviceEvents = defineEvents('registry', 'gbDevice', {
  GbDeviceIdReserved: {
    data: z.strictObject({ cameraId: id }),
    version: 1,
    meaning: ['A GB/T 28181 id belongs to a camera from now on', '国标编码已分配给摄像设备'],
    since: '0.1',
    rules: ['gz117:5.1'],
  },
});
