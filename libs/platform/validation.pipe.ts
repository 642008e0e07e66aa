import { Injectable, StandardSchemaValidationPipe } from '@nestjs/common';
import { platformRefusals } from './platform.refusals.js';

const ISSUES_MAX = 20;

/** Checks bodies, parameters and queries against their zod schema; what does not fit is refused field by field. */
@Injectable()
export class ValidationPipe extends StandardSchemaValidationPipe {
  constructor() {
    super({
      exceptionFactory: (issues) =>
        platformRefusals['platform.invalid-input']('some fields are wrong', {
          fields: issues.slice(0, ISSUES_MAX).map(({ path, message }) => ({
            path: (path ?? []).map((p) => (typeof p === 'object' ? String(p.key) : String(p))).join('.'),
            message,
          })),
        }),
    });
  }
}
