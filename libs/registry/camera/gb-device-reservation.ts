import type { Alongside } from '#libs/event-store';
import { registryRefusals } from '../registry.refusals.js';
import { type CameraEvent, gbDeviceEvents } from './camera.events.js';

/**
 * Reserves the GB/T 28181 id of a camera in the same transaction as its registration: of any number of registrations
 * at the same moment one is appended, the others are refused with `registry.gb-id-taken`.
 */
export function gbDeviceReservation(cameraId: string, events: readonly CameraEvent[]): readonly Alongside[] {
  return events
    .filter((event) => event.type === 'CameraRegistered')
    .map(({ data: { gbId } }) => ({
      events: gbDeviceEvents,
      id: gbId,
      expected: 'no-stream',
      write: [{ type: 'GbDeviceIdReserved', data: { cameraId } }],
      taken: () => registryRefusals['registry.gb-id-taken'](`${gbId} belongs to another camera`, { gbId }),
    }));
}
