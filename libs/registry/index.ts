export { type CameraEvent, cameraEvents, gbDeviceEvents } from './camera/camera.events.js';
export { RegistryModule } from './registry.module.js';
export { registryRefusals } from './registry.refusals.js';
export { type SiteEvent, siteEvents } from './site/site.events.js';
export { type VideoSystemEvent, videoSystemEvents } from './video-system/video-system.events.js';
