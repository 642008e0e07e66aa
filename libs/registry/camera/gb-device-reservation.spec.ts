import { type Alongside, MemoryEventStore, runCommand } from '#libs/event-store';
import { newId, Refusal } from '#libs/kernel';
import { AT, camera, clerk, system } from '../registry.fixture.js';
import { cameraStream } from './camera.decider.js';
import type { CameraEvent } from './camera.events.js';
import { gbDeviceReservation } from './gb-device-reservation.js';

const context = { actor: { kind: 'person', id: clerk.id }, at: AT, correlationId: 'c', newId } as const;
const command = { type: 'RegisterCamera', by: clerk, at: AT, camera, system } as const;

/** How 20 registrations of one GB id at the same moment end, in words. */
async function twenty(alongside: (id: string, events: readonly CameraEvent[]) => readonly Alongside[]) {
  const store = new MemoryEventStore();
  const ends = await Promise.allSettled(
    Array.from({ length: 20 }, () => {
      const id = newId();
      return runCommand(store, cameraStream, id, command, context, (events) => alongside(id, events));
    }),
  );
  return ends.map((end) => {
    if (end.status === 'fulfilled') return 'registered';
    if (end.reason instanceof Refusal) return end.reason.code;
    throw end.reason;
  });
}

describe('gz117:5.1: a GB/T 28181 id', () => {
  test('has one camera, however many ask for it at the same moment', async () => {
    const ends = await twenty(gbDeviceReservation);
    expect(ends.filter((end) => end === 'registered')).toHaveLength(1);
    expect(ends.filter((end) => end === 'registry.gb-id-taken')).toHaveLength(19);
  });

  test('control: without the reservation it would have twenty', async () => {
    expect(await twenty(() => [])).toEqual(Array.from({ length: 20 }, () => 'registered'));
  });
});
