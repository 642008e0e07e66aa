export { type ClipEvent, clipEvents } from './clip.events.js';
export { type ClipManifest, keyIdOf, MANIFEST_BYTES_MAX, ManifestError, signManifest } from './manifest.js';
export { MediaModule } from './media.module.js';
export { mediaRefusals } from './media.refusals.js';
export {
  AccessPort,
  type ExportAsk,
  type ExportAuthorisation,
  MediaPort,
  type ProbeResult,
  type Source,
  type SourceProtocol,
  type TimeRange,
} from './ports.js';
export { accessWire, mediaWire } from './ports.wire.js';
export { type RecordingEvent, recordingEvents } from './recording.events.js';
export { SegmentIndex } from './segment-index.js';
export {
  signTicket,
  TICKET_AUDIENCE,
  TICKET_ISSUER,
  TICKET_SECONDS_MAX,
  type TicketClaims,
  TicketVerifier,
} from './ticket.js';
export { type ByteReader, type ClipFault, type ClipVerdict, verifyClip } from './verify-clip.js';
