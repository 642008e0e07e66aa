import { PROHIBITED_PLACES } from '#libs/regulation';
import { spec } from '../../../test/given-when-then.js';
import { AT, bureau, camera, clerk, department, otherClerk, system } from '../registry.fixture.js';
import { STAGES } from '../video-system/video-system.decider.js';
import { cameraDecider } from './camera.decider.js';
import { cameraData, cameraEvents } from './camera.events.js';

const register = { type: 'RegisterCamera', by: clerk, at: AT, camera, system } as const;
const { siteId, division, funding, managingUnitId, purpose } = system;
const ofSystem = { siteId, division, funding, managingUnitId, purpose };
const registered = { type: 'CameraRegistered', data: { ...camera, place: 'ordinary', ...ofSystem } } as const;
const cameras = spec(cameraDecider);

describe('a camera', () => {
  test('is registered with what its system says of division, funding, managing unit and purpose', () => {
    cameras.given().when(register).then(registered);
    expect(cameraEvents.types.CameraRegistered.data.parse(registered.data)).toEqual(registered.data);
  });

  test('is not registered twice', () => {
    cameras.given(registered).when(register).refuses('registry.already-registered');
  });

  test.each(STAGES.filter((s) => !['planned', 'design-filed', 'decommissioned'].includes(s)))(
    'is taken by a system that is %s',
    (status) => {
      cameras
        .given()
        .when({ ...register, system: { ...system, status } })
        .then(registered);
    },
  );

  test.each(['planned', 'design-filed', 'decommissioned'] as const)('is not taken by a system that is %s', (status) => {
    cameras
      .given()
      .when({ ...register, system: { ...system, status } })
      .refuses('registry.wrong-stage');
  });
});

describe('gz117:9.1: prohibited places', () => {
  test.each(PROHIBITED_PLACES)('$id: a camera in $place is refused and the attempt is on record', ({ id, place }) => {
    const events = cameras
      .given()
      .when({ ...register, camera: { ...camera, place } })
      .refuses(`registry.prohibited-${place}`, id);
    expect(events).toEqual([
      { type: 'CameraRegistrationRefused', data: { ...camera, place, ...ofSystem }, rules: [id, 'gz117:21'] },
    ]);
    expect(cameraEvents.types.CameraRegistrationRefused.data.parse(events[0]!.data)).toEqual(events[0]!.data);
  });

  test('gz117:21: an attempt is on record also when other things are wrong with it', () => {
    const wrong = { ...camera, place: 'dormitory', gbId: '52010200009990000001', sign: null } as const;
    const events = cameras
      .given()
      .when({ ...register, camera: wrong, system: { ...system, status: 'planned' } })
      .refuses('registry.prohibited-dormitory', 'gz117:9.1(2)');
    expect(events).toHaveLength(1);
  });

  test('control: an ordinary place leaves no record of an attempt', () => {
    const events = cameras
      .given()
      .when({ ...register, camera: { ...camera, sign: null } })
      .refuses('registry.sign-missing');
    expect(events).toEqual([]);
  });

  test('a refused attempt does not stand in the way of a lawful registration', () => {
    const attempt = {
      type: 'CameraRegistrationRefused',
      data: { ...camera, place: 'dormitory', ...ofSystem },
    } as const;
    cameras.given(attempt).when(register).then(registered);
  });
});

describe('gz117:10: signs', () => {
  test('a camera in a public place without a sign is refused', () => {
    cameras
      .given()
      .when({ ...register, camera: { ...camera, sign: null } })
      .refuses('registry.sign-missing', 'gz117:10');
  });

  test('elsewhere none is needed', () => {
    cameras
      .given()
      .when({ ...register, camera: { ...camera, sign: null }, system: { ...system, publicPlace: false } })
      .then({ ...registered, data: { ...registered.data, sign: null } });
  });
});

describe('gz117:14: product certificates', () => {
  const withCertificate = (certificateValidTo: string) => ({
    ...camera,
    product: { ...camera.product, certificateValidTo },
  });

  test('an expired one is refused', () => {
    cameras
      .given()
      .when({ ...register, camera: withCertificate('2026-02-28') })
      .refuses('registry.certificate-expired', 'gz117:14');
  });

  test('one that is valid today for the last time is taken', () => {
    const last = withCertificate('2026-03-01');
    cameras
      .given()
      .when({ ...register, camera: last })
      .then({ ...registered, data: { ...last, place: 'ordinary', ...ofSystem } });
  });
});

describe('gz117:5.1: GB/T 28181 ids of a camera', () => {
  test('one of another device type is refused', () => {
    cameras
      .given()
      .when({ ...register, camera: { ...camera, gbId: '52010200001180000001' } })
      .refuses('registry.gb-id-malformed');
  });

  test('one of another division is refused', () => {
    cameras
      .given()
      .when({ ...register, camera: { ...camera, gbId: '52010300001320000001' } })
      .refuses('registry.gb-id-elsewhere', 'gz117:5.1');
  });
});

describe('who may register a camera', () => {
  test.each(['520102', '5201', '52'])('gz117:4.2: the bureau of %s', (code) => {
    cameras
      .given()
      .when({ ...register, by: bureau(code) })
      .then(registered);
  });

  test('gz117:4.2: not the bureau of another county', () => {
    cameras
      .given()
      .when({ ...register, by: bureau('520103') })
      .refuses('registry.outside-jurisdiction', 'gz117:4.2');
  });

  test.each([otherClerk, department])('not the clerk of another unit, nor a department', (by) => {
    cameras
      .given()
      .when({ ...register, by })
      .refuses('registry.not-your-unit');
  });
});

describe('the shape of a camera', () => {
  test.each([
    ['east of Guizhou', { position: { ...camera.position, longitude: 116.4 } }],
    ['north of Guizhou', { position: { ...camera.position, latitude: 39.9 } }],
    ['with the coordinates swapped', { position: { ...camera.position, longitude: 26.57, latitude: 106.71 } }],
    ['looking at no number', { fieldOfView: { ...camera.fieldOfView, azimuthDeg: Number.NaN } }],
    ['looking at 360°, which is 0°', { fieldOfView: { ...camera.fieldOfView, azimuthDeg: 360 } }],
    ['seeing nothing', { fieldOfView: { ...camera.fieldOfView, rangeM: 0 } }],
    ['in a place that is no word of ours', { place: 'cellar' }],
    ['with a field that nobody knows', { colour: 'black' }],
  ])('%s is not taken', (_, change) => {
    expect(cameraData.safeParse({ ...camera, ...change }).success).toBe(false);
    expect(cameraData.safeParse(camera).success).toBe(true);
  });
});
