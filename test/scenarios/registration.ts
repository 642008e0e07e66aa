import { createHash } from 'node:crypto';
import type { Cast } from './cast.js';
import type { Checks } from './checks.js';

const sha = (text: string) => createHash('sha256').update(text).digest('hex');
const day = (offset: number) => new Date(Date.now() + offset * 86_400_000).toISOString().slice(0, 10);
const contractor = (name: string) => ({ name, qualificationNumber: `黔技防-${name}`, qualificationValidTo: day(300) });

/** A system in operation with its camera. */
export interface Registered {
  readonly siteId: string;
  readonly systemId: string;
  readonly cameraId: string;
  /** A second camera of the same system that nobody connects. */
  readonly idleCameraId: string;
}

const camera = (systemId: string, gbId: string) => ({
  systemId,
  gbId,
  name: '贵阳站进站口 1',
  place: 'ordinary',
  position: { longitude: 106.7135, latitude: 26.5695, heightM: 6 },
  fieldOfView: { azimuthDeg: 45, tiltDeg: -20, horizontalDeg: 70, rangeM: 60 },
  sign: { photoSha256: sha('sign'), installedAt: day(-5) },
  product: { manufacturer: '示例厂', model: 'X1', certificateNumber: 'C-1', certificateValidTo: day(365) },
});

/** Site, video system through filing and acceptance to operation, camera; and what Art. 4, 9 and 14 refuse. */
export async function register(cast: Cast, checks: Checks): Promise<Registered> {
  checks.chapter('2. Site, video system, camera 场所、系统、摄像设备');
  const { clerk } = cast.people;
  const site = {
    name: '贵阳站',
    category: 'gz117:8.1(8)',
    division: '520102',
    managingUnitId: cast.organisations.station,
  };
  const { id: siteId } = checks.done('site of category 8(8)', await clerk.post('/api/v1/sites', site));
  const systemId = await build(cast, checks, siteId);

  const first = camera(systemId, '52010200001320000001');
  const register = (body: object) => clerk.post('/api/v1/cameras', body);
  const { id: cameraId } = checks.done('camera with GB id, position, field of view and sign', await register(first));
  const second = { ...camera(systemId, '52010200001320000002'), name: '贵阳站出站口' };
  const { id: idleCameraId } = checks.done('a second camera', await register(second));

  const other = camera(systemId, '52010200001320000003');
  checks.refused(
    'a camera in a hotel room',
    await register({ ...other, place: 'hotel-room-or-private-box' }),
    'registry.prohibited-hotel-room-or-private-box',
    'gz117:9.1(1)',
  );
  const expired = { ...other, product: { ...other.product, certificateValidTo: day(-2) } };
  checks.refused('an expired product certificate', await register(expired), 'registry.certificate-expired', 'gz117:14');
  checks.refused('a GB id that is taken', await register(first), 'registry.gb-id-taken');
  checks.refused(
    'a bureau outside its jurisdiction',
    await cast.people.strangeFilingOfficer.post('/api/v1/cameras', other),
    'registry.outside-jurisdiction',
    'gz117:4.2',
  );
  checks.refused('a stranger', await cast.stranger.post('/api/v1/cameras', other), 'platform.unauthenticated');
  checks.refused(
    'a department officer who registers cameras',
    await cast.people.firstInvestigator.post('/api/v1/cameras', other),
    'platform.forbidden',
  );
  return { siteId, systemId, cameraId, idleCameraId };
}

async function build(cast: Cast, checks: Checks, siteId: string): Promise<string> {
  const { clerk, filingOfficer, strangeFilingOfficer } = cast.people;
  const plan = await clerk.post('/api/v1/video-systems', {
    siteId,
    name: '贵阳站公共安全视频系统',
    purpose: '维护车站公共安全',
    funding: 'government',
    managingUnitId: cast.organisations.station,
    responsiblePartyId: cast.organisations.station,
    publicPlace: true,
    designer: contractor('甲设计院'),
    builder: contractor('乙工程公司'),
    maintainer: contractor('丙维护公司'),
  });
  const { id: systemId } = checks.done('video system planned', plan);
  const step = (name: string, body: object = {}) => clerk.post(`/api/v1/video-systems/${systemId}/${name}`, body);
  const documents = [{ title: '设计方案', sha256: sha('design') }];
  checks.refused('operation before acceptance', await step('operation'), 'registry.not-accepted', 'gz117:13.2');
  checks.done('design scheme filed', await step('design-scheme', { documents }));
  const construction = { startedOn: day(-60), commissioningPlannedOn: day(10), mainWorks: null };
  checks.done('construction started', await step('construction', construction));
  const material = { testReport: { sha256: sha('report'), issuedOn: day(-3) }, materials: documents };
  checks.done('acceptance asked for', await step('acceptance-request', material));
  const acceptance = { result: 'passed', heldOn: day(-1), recordSha256: sha('record') };
  const path = `/api/v1/video-systems/${systemId}/acceptance`;
  checks.refused(
    'acceptance by a bureau without jurisdiction',
    await strangeFilingOfficer.post(path, acceptance),
    'registry.outside-jurisdiction',
    'gz117:4.2',
  );
  checks.done('accepted with the bureau taking part', await filingOfficer.post(path, acceptance));
  checks.done('in operation', await step('operation'));
  return systemId;
}

/** Interface connection: requested, really probed, approved by another officer, opened. */
export async function connect(cast: Cast, checks: Checks, cameraId: string, cameraUrl: string): Promise<string> {
  checks.chapter('3. Interface connection 接口接入');
  const { clerk, filingOfficer, strangeFilingOfficer } = cast.people;
  const request = {
    cameraId,
    protocol: 'rtsp',
    address: cameraUrl,
    securityProfile: {
      transportEncryption: 'none',
      mutualAuthentication: false,
      networkZone: 'video-transport-network',
    },
    purpose: '跨部门共享',
    contactPersonId: clerk.id,
  };
  checks.refused(
    'an address that points back at the machine’s own services',
    await clerk.post('/api/v1/connections', { ...request, address: 'rtsp://169.254.169.254/latest' }),
    'media.address-not-allowed',
  );
  const { id } = checks.done('connection asked for', await clerk.post('/api/v1/connections', request));
  const act = (person: typeof clerk, name: string) => person.post(`/api/v1/connections/${id}/${name}`);
  checks.refused('opening before test and approval', await act(clerk, 'opening'), 'integration.not-tested', 'gz117:7');
  const test = checks.done('the hub probes the stream', await act(clerk, 'test'));
  const { passed, width, height } = test.test as Record<string, unknown>;
  checks.that('it found video of 640 × 360', passed === true && width === 640 && height === 360, test);
  checks.refused(
    'approval by a bureau without jurisdiction',
    await act(strangeFilingOfficer, 'approval'),
    'integration.outside-jurisdiction',
    'gz117:4.2',
  );
  checks.done('approved by the bureau', await act(filingOfficer, 'approval'));
  checks.done('opened', await act(clerk, 'opening'));
  return id;
}
