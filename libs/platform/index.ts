export {
  AccessGuard,
  type AccessPolicy,
  Allow,
  type AuthenticatedRequest,
  Authenticator,
  Public,
} from './access-guard.js';
export { Commands } from './commands.js';
export {
  type AboutSetting,
  badSetting,
  HUB_CONFIG,
  type HubConfig,
  type KafkaConfig,
  needed,
  readConfig,
  readNamedFile,
  SECRET_SETTINGS,
  SERVICES,
  type ServiceName,
  type SettingReader,
  settings,
  type TlsFiles,
} from './config.js';
export { type EmbeddedPostgres, EmbeddedPostgresError, freePort, startEmbeddedPostgres } from './embedded-postgres.js';
export { Drain } from './health/drain.js';
export { type Finding, HealthChecks } from './health/health-checks.js';
export { hardenHttp } from './http-hardening.js';
export { openApiDocument, serveApiReference } from './openapi.js';
export { PAGE_ITEMS_MAX, pageOf, pageQuery, toPage } from './paging.js';
export { PlatformModule } from './platform.module.js';
export { platformRefusals } from './platform.refusals.js';
export { ProblemFilter, problemOf, STATUS } from './problem.filter.js';
export { DATABASE_URL, EVENT_FEED, InjectReadModel, ReadModelModule, readModelToken } from './read-model.module.js';
export { Context, contextOf, setCommandDigestKey } from './request-context.js';
export { servicePool } from './service-pool.js';
export { StatusController } from './status.controller.js';
export { Metrics } from './telemetry/metrics.js';
export { observeHttp } from './telemetry/observe-http.js';
export { observeStore } from './telemetry/observed-store.js';
export { Stages } from './telemetry/stages.js';
export { startTelemetry, type Telemetry } from './telemetry/start-telemetry.js';
export { type Visible, visibleTo, whereVisible } from './visibility.js';
export { PositionInterceptor, Reads, written } from './written.js';
