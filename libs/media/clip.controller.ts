import { open } from 'node:fs/promises';
import { Body, Controller, Get, Header, Inject, Param, Post, StreamableFile } from '@nestjs/common';
import { ApiCreatedResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import type { RequestContext } from '#libs/kernel';
import { Allow, Context, Public, written } from '#libs/platform';
import { Clips } from './clips.js';
import { mediaRefusals } from './media.refusals.js';

const id = z.guid();
const clipAsk = z.strictObject({
  sessionId: id.describe('retrieval session that is running'),
  cameraId: id,
  from: z.iso.datetime({ precision: 3 }),
  to: z.iso.datetime({ precision: 3 }).describe('excluded; 24 hours after from at most'),
});
const clipAnswer = z.object({
  id,
  sha256: z.string(),
  manifestSha256: z.string(),
  bytes: z.int(),
  segments: z.int(),
  links: z.object({ clip: z.string(), manifest: z.string(), publicKey: z.string() }),
});

/** Clips of recordings with a signed manifest (Art. 16, 17(4), 18(2)). */
@ApiTags('media')
@Controller('api/v1/clips')
export class ClipController {
  constructor(@Inject(Clips) private readonly clips: Clips) {}

  @Post()
  @Allow({ roles: ['department-officer', 'psb-filing-officer', 'psb-responsible-person'] })
  @ApiOperation({ summary: 'Export recordings without re-encoding, with a signed manifest; decides and records first' })
  @ApiCreatedResponse({ standardSchema: clipAnswer })
  async export(
    @Body({ schema: clipAsk }) ask: z.output<typeof clipAsk>,
    @Context() context: RequestContext,
  ): Promise<object> {
    const outcome = await this.clips.export(ask, context);
    if (outcome.state.status !== 'exported') throw new Error('a recorded clip is an exported one');
    const { sha256, manifestSha256, bytes, segments } = outcome.state.clip;
    const path = `/api/v1/clips/${outcome.id}`;
    const links = { clip: `${path}/clip.mp4`, manifest: `${path}/manifest`, publicKey: '/api/v1/clips/public-key' };
    return written(outcome, { sha256, manifestSha256, bytes, segments, links });
  }

  @Get('public-key')
  @Public()
  @ApiOperation({ summary: 'Public key of the manifests (Ed25519, PEM)' })
  @ApiProduces('application/x-pem-file')
  @Header('content-type', 'application/x-pem-file')
  publicKey(): string {
    return this.clips.key.publicKey.export({ type: 'spki', format: 'pem' }).toString();
  }

  @Get(':id/clip.mp4')
  @Allow({ roles: 'signed-in' })
  @ApiOperation({ summary: 'The clip, for the people its grant names while it is in force; each fetch is on record' })
  @ApiProduces('video/mp4')
  async clip(@Param('id', { schema: id }) clipId: string, @Context() context: RequestContext) {
    return download(await this.clips.fetch(clipId, 'clip', context), 'video/mp4', `${clipId}.mp4`);
  }

  @Get(':id/manifest')
  @Allow({ roles: 'signed-in' })
  @ApiOperation({ summary: 'The signed manifest (DSSE envelope, in-toto statement)' })
  @ApiProduces('application/vnd.dsse+json')
  async manifest(@Param('id', { schema: id }) clipId: string, @Context() context: RequestContext) {
    return download(
      await this.clips.fetch(clipId, 'manifest', context),
      'application/vnd.dsse+json',
      `${clipId}.dsse.json`,
    );
  }
}

async function download(path: string, type: string, name: string): Promise<StreamableFile> {
  const file = await open(path).catch(() => undefined);
  if (file === undefined) throw mediaRefusals['media.no-such-clip']('its file is gone');
  const { size: length } = await file.stat();
  return new StreamableFile(file.createReadStream(), { type, length, disposition: `attachment; filename="${name}"` });
}
