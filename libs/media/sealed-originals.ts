import type { EventStore } from '#libs/event-store';
import { streamName } from '#libs/kernel';
import type { ClipRange } from './export.js';
import { mediaRefusals } from './media.refusals.js';
import { type RecordingEvent, recordingEvents } from './recording.events.js';
import { MINUTE_MS, merkleRoot } from './seal.js';
import type { SegmentIndex } from './segment-index.js';

/**
 * Compares what the index says of each sealed minute in a range with the root that stands in the event store: whoever
 * changes a segment and its index line together is found all the same. A minute that is not sealed yet has only its
 * index to answer for it.
 * @throws Refusal `media.original-altered` naming the minute (Art. 18(2))
 */
export async function requireSealedOriginals(store: EventStore, index: SegmentIndex, range: ClipRange): Promise<void> {
  const { cameraId, from, to } = range;
  const firstMinute = Math.floor(from / MINUTE_MS) * MINUTE_MS;
  const stream = streamName(recordingEvents.category, cameraId);
  for await (const event of store.readStream(stream, { direction: 'backwards' })) {
    const { type, data } = event as unknown as RecordingEvent;
    if (type !== 'RecordingSealed') continue;
    const minute = Date.parse(data.minute);
    // Seals come in the order of time, so nothing older than the range is of interest.
    if (minute < firstMinute) return;
    if (minute >= to) continue;
    const segments = await index.beginningIn(cameraId, minute, minute + MINUTE_MS);
    if (segments.length !== data.segments || merkleRoot(segments.map(({ sha256 }) => sha256)) !== data.root) {
      const facts = { cameraId, minute: data.minute };
      throw mediaRefusals['media.original-altered'](`the minute ${data.minute} is not what was sealed`, facts);
    }
  }
}
