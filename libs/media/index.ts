export {
  AccessPort,
  type ExportAuthorisation,
  type ExportRequest,
  MediaPort,
  type PlaybackEnd,
  type ProbeResult,
  STOP_REASONS,
  type StopReason,
  type TicketHolder,
  type TicketKey,
  type TimeRange,
  type VideoSource,
} from './ports.js';
