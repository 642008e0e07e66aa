import {
  type CallHandler,
  type ExecutionContext,
  Inject,
  Injectable,
  type NestInterceptor,
  SetMetadata,
} from '@nestjs/common';
import { ModuleRef, Reflector } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { map, type Observable } from 'rxjs';
import type { CommandOutcome, ReadModel } from '#libs/event-store';
import { platformRefusals } from './platform.refusals.js';
import { readModelToken } from './read-model.module.js';

/** Name of the header by which a client reads its own writes. */
const POSITION_HEADER = 'mingjing-position';

/** How long a read waits for its read model. */
const READ_WAIT_MS = 5_000;

class Written {
  constructor(
    readonly outcome: CommandOutcome<unknown, unknown>,
    readonly body: unknown,
  ) {}
}

/** The answer to a write: the body, with position and ETag in the headers. */
export function written(outcome: CommandOutcome<unknown, unknown>, body: Record<string, unknown> = {}): object {
  return new Written(outcome, { id: outcome.id, ...body });
}

const READS = Symbol('read model of a controller');

/** Names the read model that a controller asks, so that `Mingjing-Position` can wait for it. */
export const Reads = (schema: string) => SetMetadata(READS, schema);

/**
 * Position in, position out: a request that carries `Mingjing-Position` waits until the controller's read model has
 * reached it; the answer to a write says at which position it was appended.
 */
@Injectable()
export class PositionInterceptor implements NestInterceptor {
  constructor(
    @Inject(Reflector) private readonly reflector: Reflector,
    @Inject(ModuleRef) private readonly modules: ModuleRef,
  ) {}

  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const schema = this.reflector.getAllAndOverride<string | undefined>(READS, [
      context.getHandler(),
      context.getClass(),
    ]);
    const position = request.headers[POSITION_HEADER];
    if (schema !== undefined && typeof position === 'string') await this.#wait(schema, position);
    return next.handle().pipe(
      map((result: unknown) => {
        if (!(result instanceof Written)) return result;
        const reply = context.switchToHttp().getResponse<FastifyReply>();
        void reply.header(POSITION_HEADER, String(result.outcome.position));
        void reply.header('etag', `"${result.outcome.revision}"`);
        return result.body;
      }),
    );
  }

  async #wait(schema: string, position: string): Promise<void> {
    if (!/^\d{1,19}$/.test(position)) {
      throw platformRefusals['platform.invalid-input']('Mingjing-Position is a decimal number');
    }
    const model = this.modules.get<ReadModel>(readModelToken(schema), { strict: false });
    try {
      await model.reached(BigInt(position), READ_WAIT_MS);
    } catch {
      throw platformRefusals['platform.read-behind'](`read model ${schema} is behind position ${position}`);
    }
  }
}
