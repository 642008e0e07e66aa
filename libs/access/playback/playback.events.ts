import { z } from 'zod';
import { defineEvents, type EventOf } from '#libs/kernel';
import { entityId, holder, instant, windowOf } from '../terms.js';

const MODES = ['live', 'recorded'] as const;

/** What somebody wants to play: one camera, live or a range of its recordings. */
export const playbackAsk = z.strictObject({
  grantId: entityId,
  sessionId: entityId.optional().describe('retrieval session; a standing share needs none'),
  cameraId: entityId,
  mode: z.enum(MODES),
  from: instant.optional().describe('recorded: begin of the range'),
  to: instant.optional().describe('recorded: end of the range, excluded'),
});

const subject = { grantId: entityId, sessionId: entityId.optional(), cameraId: entityId, holder };
const refused = { refusal: z.string().max(100), rules: z.array(z.string().max(40)).max(10) };
const range = { from: instant, to: instant };

export const playbackEvents = defineEvents('access', 'playback', {
  PlaybackAuthorised: {
    data: z.strictObject({
      ...playbackAsk.shape,
      holder,
      organisationId: entityId,
      until: instant.describe('no ticket lives longer, however often it is renewed'),
    }),
    version: 1,
    meaning: ['A holder of a grant may play one camera from now on', '准许授权持有人播放某一摄像设备'],
    since: '0.1',
    rules: ['gz117:18(3)'],
  },
  PlaybackDenied: {
    data: z.strictObject({ ...playbackAsk.shape, holder, organisationId: entityId, ...refused }),
    version: 1,
    meaning: ['An attempt to play without a lawful decision was refused', '未经依法批准的播放请求被拒绝'],
    since: '0.1',
    rules: ['gz117:18(3)'],
  },
  PlaybackStarted: {
    data: z.strictObject(subject),
    version: 1,
    meaning: ['The media gateway began to send video', '媒体网关开始传送视频'],
    since: '0.1',
    rules: ['gz117:18(3)'],
  },
  PlaybackStopped: {
    data: z.strictObject({
      ...subject,
      reason: z.string().max(100),
      ranges: z.array(windowOf).max(500).describe('what was sent, by time of recording'),
    }),
    version: 1,
    meaning: [
      'The media gateway stopped sending video; what was sent is on record',
      '媒体网关停止传送视频，已播放时段记录在案',
    ],
    since: '0.1',
    rules: ['gz117:17(4)'],
  },
});

export const clipDecisionEvents = defineEvents('access', 'clipDecision', {
  ClipAuthorised: {
    data: z.strictObject({ ...subject, ...range, organisationId: entityId }),
    version: 1,
    meaning: ['An investigator may export a clip', '准许调查取证人导出视频片段'],
    since: '0.1',
    rules: ['gz117:15.3', 'gz117:16(4)'],
  },
  ClipDenied: {
    data: z.strictObject({ ...subject, ...range, organisationId: entityId, ...refused }),
    version: 1,
    meaning: ['An attempt to export without a lawful decision was refused', '未经依法批准的导出请求被拒绝'],
    since: '0.1',
    rules: ['gz117:18(3)'],
  },
});

export type PlaybackAsk = z.output<typeof playbackAsk>;
export type PlaybackEvent = EventOf<typeof playbackEvents>;
export type PlaybackAuthorised = Extract<PlaybackEvent, { type: 'PlaybackAuthorised' }>['data'];
export type ClipDecisionEvent = EventOf<typeof clipDecisionEvents>;
