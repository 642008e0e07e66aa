import type { Projection, RecordedEvent } from '#libs/event-store';
import { entityOf } from '#libs/kernel';
import { CameraRow } from './camera.entity.js';
import { type CameraEvent, cameraEvents } from './camera.events.js';

export const cameraProjection: Projection = {
  name: 'camera',
  filter: { categories: [cameraEvents.category] },
  async apply(event, tx) {
    const { type, data, stream, metadata } = event as RecordedEvent & CameraEvent;
    switch (type) {
      case 'CameraRegistered':
        await tx.insert(CameraRow, {
          ...data,
          id: entityOf(stream),
          integrated: false,
          registeredAt: new Date(metadata.occurredAt),
        });
        return;
      case 'CameraRegistrationRefused':
        // Not a camera: the attempt stands in the events, for findings and audit.
        return;
    }
  },
};

/** Which cameras are integrated (Art. 7): integration says which connection feeds a camera, on one stream a camera. */
export const integratedProjection: Projection = {
  name: 'integrated-camera',
  filter: { types: ['CameraFeedTaken', 'CameraFeedReleased'] },
  async apply({ type, stream }, tx) {
    await tx.update(CameraRow, { id: entityOf(stream) }, { integrated: type === 'CameraFeedTaken' });
  },
};
