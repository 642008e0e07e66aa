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
export { signTicket, TICKET_AUDIENCE, TICKET_ISSUER, TICKET_SECONDS_MAX, type TicketClaims } from './ticket.js';
