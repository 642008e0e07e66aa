import type { ServiceName } from '#libs/platform';

/** Which service answers which addresses; what stands nowhere here the gateway answers itself. */
export const ROUTES: Readonly<Record<ServiceName, readonly string[]>> = {
  registry: ['/api/v1/sites', '/api/v1/video-systems', '/api/v1/cameras'],
  integration: ['/api/v1/connections'],
  access: ['/api/v1/access-requests', '/api/v1/grants', '/api/v1/retrieval-sessions', '/api/v1/playbacks'],
  media: ['/api/v1/clips', '/media/playbacks'],
  audit: ['/api/v1/audit'],
};
