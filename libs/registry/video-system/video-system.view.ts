import type { Projection, RecordedEvent } from '#libs/event-store';
import { entityOf } from '#libs/kernel';
import type { Stage } from './video-system.decider.js';
import { VideoSystemRow } from './video-system.entity.js';
import { type VideoSystemEvent, videoSystemEvents } from './video-system.events.js';

/** Stage that a system has reached by an event. */
const STAGE_AFTER: Readonly<Record<VideoSystemEvent['type'], Stage>> = {
  VideoSystemPlanned: 'planned',
  DesignSchemeFiled: 'design-filed',
  ConstructionStarted: 'under-construction',
  AcceptanceRequested: 'awaiting-acceptance',
  AcceptanceFailed: 'rectifying',
  AcceptancePassed: 'accepted',
  OperationStarted: 'in-operation',
  OperationInterrupted: 'interrupted',
  OperationResumed: 'in-operation',
  VideoSystemDecommissioned: 'decommissioned',
};

export const videoSystemProjection: Projection = {
  name: 'video-system',
  filter: { categories: [videoSystemEvents.category] },
  async apply(event, tx) {
    const { type, data, stream, metadata } = event as RecordedEvent & VideoSystemEvent;
    const id = entityOf(stream);
    const status = STAGE_AFTER[type];
    const changedAt = new Date(metadata.occurredAt);
    if (type === 'VideoSystemPlanned') {
      await tx.insert(VideoSystemRow, { ...data, id, status, rectifyBy: null, plannedAt: changedAt, changedAt });
      return;
    }
    const rectifyBy = type === 'AcceptanceFailed' ? data.rectifyBy : null;
    await tx.update(VideoSystemRow, { id }, { status, rectifyBy, changedAt });
  },
};
