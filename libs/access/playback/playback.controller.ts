import { Body, Controller, HttpCode, Inject, Param, Post } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import type { RequestContext } from '#libs/kernel';
import { Allow, Context, Reads, written } from '#libs/platform';
import { entityId } from '../terms.js';
import { playbackAsk } from './playback.events.js';
import { PlaybackDecisions } from './playback-decisions.js';

const issued = z.object({
  playbackId: entityId,
  ticket: z.string().describe('EdDSA JWT (RFC 8037), at most 60 s; renew it while you play'),
  expiresAt: z.iso.datetime(),
  url: z.url().describe('HLS playlist (RFC 8216)'),
});

/**
 * Open to everyone signed in: whether somebody may play is the decision itself, and an attempt is on record
 * (Art. 18(3)).
 */
@ApiTags('access')
@Controller('api/v1/playbacks')
@Reads('access')
@Allow({ roles: 'signed-in', clients: true })
export class PlaybackController {
  constructor(@Inject(PlaybackDecisions) private readonly decisions: PlaybackDecisions) {}

  @Post()
  @ApiOperation({ summary: 'Decide whether a camera may be played now; records the decision, answers a ticket' })
  @ApiCreatedResponse({ standardSchema: issued.extend({ id: entityId }) })
  async authorise(
    @Body({ schema: playbackAsk }) ask: z.output<typeof playbackAsk>,
    @Context() context: RequestContext,
  ): Promise<object> {
    const { outcome, issued } = await this.decisions.authorise(ask, context);
    return written(outcome, { ...issued });
  }

  @Post(':id/ticket')
  @HttpCode(200)
  @ApiOperation({ summary: 'Renew the ticket of a playback that is still lawful' })
  @ApiOkResponse({ standardSchema: issued })
  async renew(
    @Param('id', { schema: entityId }) id: string,
    @Context() { principal }: RequestContext,
  ): Promise<object> {
    return this.decisions.ticket(id, principal);
  }
}
