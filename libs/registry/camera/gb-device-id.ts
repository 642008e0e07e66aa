import { covers, type Division, findDivision } from '#libs/regulation';

/** Parts of a 20-digit id of GB/T 28181 (2016, annex D.1): centre 8, industry 2, type 3, network 1, serial 6. */
export interface GbDeviceId {
  /** GB/T 2260 division that the centre code begins with, without padding. */
  readonly division: Division;
  /** Digits 7 and 8: the access unit below the county, `00` for none. */
  readonly accessUnit: string;
  readonly industry: string;
  readonly type: CameraType;
  readonly network: string;
  readonly serial: string;
}

/** Device types that are cameras: 131 analogue camera, 132 network camera. */
const CAMERA_TYPES = ['131', '132'] as const;

type CameraType = (typeof CAMERA_TYPES)[number];

const SHAPE = /^(\d{6})(\d{2})(\d{2})(\d{3})(\d)(\d{6})$/;

/**
 * Reads the GB/T 28181 id of a camera.
 * @returns undefined when it has not 20 digits, no division of Guizhou in force, or the type of no camera
 */
export function parseGbDeviceId(text: string): GbDeviceId | undefined {
  const match = SHAPE.exec(text);
  if (match === null) return undefined;
  const [, centre, accessUnit, industry, type, network, serial] = match as unknown as string[];
  const division = findDivision(centre!.replace(/(00){1,2}$/, ''));
  const cameraType = CAMERA_TYPES.find((t) => t === type);
  if (division === undefined || cameraType === undefined) return undefined;
  return {
    division,
    accessUnit: accessUnit!,
    industry: industry!,
    type: cameraType,
    network: network!,
    serial: serial!,
  };
}

/** Whether a camera with this id may stand in the division: the one covers the other. */
export function fitsDivision(gbId: GbDeviceId, division: string): boolean {
  return covers(gbId.division.code, division) || covers(division, gbId.division.code);
}
