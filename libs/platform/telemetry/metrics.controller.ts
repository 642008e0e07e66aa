import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Public } from '../access-guard.js';
import { platformRefusals } from '../platform.refusals.js';
import { Metrics } from './metrics.js';
import { Stages } from './stages.js';

/** A proxy on this machine comes from loopback too, with the requests of the whole world. */
const HANDED_ON = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'] as const;

/** Metrics for Prometheus; open by network, not by token. */
@ApiExcludeController()
@Controller()
@Public()
export class MetricsController {
  constructor(
    @Inject(Metrics) private readonly metrics: Metrics,
    @Inject(Stages) private readonly stages: Stages,
  ) {}

  @Get('metrics')
  async scrape(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): Promise<string> {
    const direct = HANDED_ON.every((name) => request.headers[name] === undefined);
    if (!direct || !this.metrics.readableFrom(request.raw.socket.remoteAddress)) {
      throw platformRefusals['platform.forbidden']('metrics are read from the networks that are named in the settings');
    }
    void reply.header('cache-control', 'no-store').type(this.metrics.contentType);
    return this.metrics.scrape(await this.stages.read());
  }
}
