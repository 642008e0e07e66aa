import { setTimeout as sleep } from 'node:timers/promises';
import { approve, openSession, refuseBadCredentials, request, type Window } from './brokering.js';
import { assemble } from './cast.js';
import { Checks } from './checks.js';
import { close, exportClip, lookBack } from './evidence.js';
import { connect, register } from './registration.js';
import { share, watch } from './viewing.js';

/** Where the story is played. */
export interface StoryOptions {
  readonly baseUrl: string;
  readonly administratorCode: string;
  /** A real RTSP camera of 640 × 360 at 25 frames a second. */
  readonly cameraUrl: string;
  /** Folder for what the people of the story download. */
  readonly folder: string;
  readonly report: (line: string) => void;
}

export interface StoryResult {
  readonly events: number;
  readonly frames: number;
  readonly clipSha256: string;
  readonly checks: number;
}

/** How long the camera is recorded before the department asks. */
const RECORDED_MS = 24_000;

/**
 * The main job, end to end, through the public HTTP API only: a camera is registered and connected, a department asks,
 * the bureau approves, two investigators retrieve, and every step is on record.
 * @throws CheckFailed at the first thing that does not hold
 */
export async function playStory(options: StoryOptions): Promise<StoryResult> {
  const { baseUrl, administratorCode, cameraUrl, folder, report } = options;
  const checks = new Checks(report);
  const cast = await assemble(baseUrl, administratorCode, checks);
  const { cameraId, idleCameraId } = await register(cast, checks);
  await connect(cast, checks, cameraId, cameraUrl);

  report(`  … recording for ${RECORDED_MS / 1_000} s`);
  const from = Date.now() + 3_000;
  await sleep(RECORDED_MS);
  const asked: Window = { from, to: Date.now() - 1_000 };
  const approved: Window = { from: from + 3_000, to: asked.to - 3_000 };

  const requestId = await request(cast, checks, cameraId, asked);
  const grantId = await approve(cast, checks, requestId, approved);
  await refuseBadCredentials(cast, checks, cameraId, asked);
  const sessionId = await openSession(cast, checks, grantId);
  const watched = await watch(cast, checks, { grantId, sessionId, cameraId, folder }, approved);
  const live = await share(cast, checks, { cameraId, idleCameraId }, folder);
  const clip = await exportClip(cast, checks, { sessionId, cameraId, folder }, approved);
  await close(cast, checks, { sessionId, grantId, cameraId });
  const events = await lookBack(cast, checks, cameraId);
  report(`\n${checks.held} checks held.`);
  return { events, frames: watched + live + clip.frames, clipSha256: clip.sha256, checks: checks.held };
}
