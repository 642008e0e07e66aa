import { close, createReadStream, fstat, open, type ReadStream } from 'node:fs';
import { promisify } from 'node:util';
import { Controller, Get, Inject, Param, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Clock } from '#libs/kernel';
import { Public } from '#libs/platform';
import { mediaRefusals } from './media.refusals.js';
import { Playbacks } from './playback.js';
import { LIVE_SEGMENTS, LiveNumbering, livePlaylist, recordedPlaylist } from './playlist.js';
import { AccessPort } from './ports.js';
import { type Segment, SegmentIndex } from './segment-index.js';
import type { Range } from './served-ranges.js';
import { type TicketClaims, TicketVerifier } from './ticket.js';

const DAY_MS = 86_400_000;
/** Older footage is not live, even when it is the newest there is. */
const LIVE_AGE_MS_MAX = 30_000;
/** A player may still fetch what slid out of the playlist a moment ago. */
const LIVE_SEGMENTS_OPEN = 2 * LIVE_SEGMENTS;
/** Larger pieces than this cost more in allocation than they save in calls. */
const READ_BYTES = 128 * 1024;

/** The ticket stands in the address: nothing may keep the answer or pass the address on. */
const HEADERS = {
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

/** HLS by ticket (RFC 8216). The ticket is the credential, so that plain players work. */
@ApiTags('media')
@Controller('media/playbacks')
@Public()
export class PlaybackController {
  readonly #numbering = new LiveNumbering();
  #verifier: TicketVerifier | undefined;

  constructor(
    @Inject(AccessPort) private readonly access: AccessPort,
    @Inject(Playbacks) private readonly playbacks: Playbacks,
    @Inject(SegmentIndex) private readonly index: SegmentIndex,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  @Get(':playbackId/index.m3u8')
  @ApiOperation({ summary: 'Playlist of what the ticket opens' })
  @ApiProduces('application/vnd.apple.mpegurl')
  async playlist(
    @Param('playbackId') playbackId: string,
    @Query('ticket') token: unknown,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const ticket = await this.#admit(playbackId, token);
    const query = `?ticket=${token}`;
    const list = ticket.mode === 'live' ? this.#live(ticket, query) : await this.#recorded(ticket, query);
    await reply.headers({ ...HEADERS, 'content-type': 'application/vnd.apple.mpegurl' }).send(list);
  }

  @Get(':playbackId/:epoch/:file')
  @ApiOperation({ summary: 'Initialisation segment (init.mp4) or segment (<n>.m4s)' })
  @ApiProduces('video/mp4')
  async segment(
    @Param() { playbackId, epoch, file }: { playbackId: string; epoch: string; file: string },
    @Query('ticket') token: unknown,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const ticket = await this.#admit(playbackId, token);
    const of = Number(/^\d{1,14}$/.exec(epoch)?.[0] ?? Number.NaN);
    if (!mayHold(ticket, of, this.clock.now())) throw outside();
    if (file === 'init.mp4') {
      const found = await this.index.init(ticket.cam, of);
      if (found === undefined) throw outside();
      await this.#send(reply, ticket, this.index.initPath(ticket.cam, of), found.init.bytes);
      return;
    }
    const n = Number(/^(\d{1,9})\.m4s$/.exec(file)?.[1] ?? Number.NaN);
    const segment = Number.isNaN(n) ? undefined : await this.#find(ticket, of, n);
    if (segment === undefined) throw outside();
    const { startMs, durationMs, bytes } = segment;
    const footage = { from: startMs, to: startMs + durationMs };
    await this.#send(reply, ticket, this.index.path(ticket.cam, of, n), bytes, footage);
  }

  async #admit(playbackId: string, token: unknown): Promise<TicketClaims> {
    if (typeof token !== 'string') throw mediaRefusals['media.ticket-invalid']('one ticket in the query');
    this.#verifier ??= new TicketVerifier(await this.#keys());
    const ticket = this.#verifier.verify(token, this.clock.now());
    if (ticket.pid !== playbackId) throw mediaRefusals['media.ticket-invalid']('of another playback');
    await this.playbacks.admit(ticket);
    return ticket;
  }

  async #keys() {
    try {
      return await this.access.ticketKeys();
    } catch {
      throw mediaRefusals['media.decision-unavailable']('the keys of tickets cannot be had');
    }
  }

  async #recorded({ cam, from = 0, to = 0 }: TicketClaims, query: string): Promise<string> {
    if (to - from > DAY_MS) throw mediaRefusals['media.window-too-long']('24 hours at most');
    const segments = await this.index.range(cam, from, to);
    if (segments.length === 0) throw mediaRefusals['media.nothing-recorded']('no whole segment');
    return recordedPlaylist(segments, query);
  }

  #live({ cam }: TicketClaims, query: string): string {
    const segments = this.#newest(cam, LIVE_SEGMENTS, LIVE_AGE_MS_MAX);
    if (segments.length === 0) throw mediaRefusals['media.no-live-stream']('nothing in the last 30 s');
    return livePlaylist(segments, this.#numbering.place(cam, segments), query);
  }

  async #find({ mode, cam, from = 0, to = 0 }: TicketClaims, epoch: number, n: number): Promise<Segment | undefined> {
    if (mode === 'live') {
      const open = this.#newest(cam, LIVE_SEGMENTS_OPEN, 2 * LIVE_AGE_MS_MAX);
      return open.find((segment) => segment.epoch === epoch && segment.n === n);
    }
    const found = await this.index.find(cam, epoch, n);
    const inside = found !== undefined && found.startMs >= from && found.startMs + found.durationMs <= to;
    return inside ? found : undefined;
  }

  #newest(cameraId: string, count: number, ageMs: number): Segment[] {
    const oldest = this.clock.now() - ageMs;
    return this.index.latest(cameraId, count).filter(({ startMs, durationMs }) => startMs + durationMs >= oldest);
  }

  async #send(reply: FastifyReply, ticket: TicketClaims, path: string, bytes: number, footage?: Range): Promise<void> {
    const stream = await readOriginal(path, bytes, ticket.cam);
    // From here on an end of the playback tears the connection down, whatever is still on its way.
    reply.raw.once('close', this.playbacks.sending(ticket.pid, reply.raw, footage));
    await reply.headers({ ...HEADERS, 'content-type': 'video/mp4', 'content-length': bytes }).send(stream);
  }
}

/** Plain descriptors: streams over those of `node:fs/promises` take half as much time again. */
const descriptor = { open: promisify(open), stat: promisify(fstat), close: promisify(close) };

/** @throws Refusal `media.original-altered` when the file is missing or has another length than recorded */
async function readOriginal(path: string, bytes: number, cameraId: string): Promise<ReadStream> {
  const fd = await descriptor.open(path, 'r').catch(() => undefined);
  if (fd !== undefined) {
    const { size } = await descriptor.stat(fd);
    if (size === bytes) return createReadStream(path, { fd, highWaterMark: READ_BYTES });
    await descriptor.close(fd);
  }
  throw mediaRefusals['media.original-altered']('an original is missing or has another length', { cameraId });
}

/** Whether an epoch can hold anything that the ticket opens: it begins within a day before. */
function mayHold({ mode, from, to }: TicketClaims, epoch: number, now: number): boolean {
  const [first, last] = mode === 'live' ? [now - 2 * LIVE_AGE_MS_MAX, now + DAY_MS] : [from ?? 0, to ?? 0];
  return epoch > first - DAY_MS && epoch < last;
}

const outside = () => mediaRefusals['media.outside-window']('not in what the ticket opens');
