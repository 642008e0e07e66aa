export { AuditModule } from './audit.module.js';
export { auditRefusals } from './audit.refusals.js';
export { auditReadingEvents } from './audit-reading.events.js';
