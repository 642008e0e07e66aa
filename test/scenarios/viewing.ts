import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { User } from './api.js';
import { shareLive, standingShare, type Window } from './brokering.js';
import type { Cast } from './cast.js';
import type { Checks } from './checks.js';
import { countFrames, readPlaylist } from './player.js';

const iso = (ms: number) => new Date(ms).toISOString();

/** Asks for a playback and gives the address of its playlist. */
async function play(user: User, checks: Checks, what: string, ask: object) {
  const body = checks.done(what, await user.post('/api/v1/playbacks', ask));
  return { id: body.id, url: new URL(String(body.url), user.baseUrl) };
}

/** Playback by ticket: the window plays, a second outside it does not. Gives the frames seen. */
export async function watch(
  cast: Cast,
  checks: Checks,
  where: { grantId: string; sessionId: string; cameraId: string; folder: string },
  window: Window,
): Promise<number> {
  checks.chapter('7. Playback 播放');
  const { firstInvestigator: one, emergencyOfficer } = cast.people;
  const { folder, ...ids } = where;
  const ask = { ...ids, mode: 'recorded', from: iso(window.from), to: iso(window.to) };
  for (const [what, from, to] of [
    ['a second before the window', window.from - 1_000, window.to],
    ['a second after the window', window.from, window.to + 1_000],
  ] as const) {
    const answer = await one.post('/api/v1/playbacks', { ...ask, from: iso(from), to: iso(to) });
    checks.refused(what, answer, 'access.outside-window', 'gz117:18(3)');
  }
  checks.refused(
    'somebody the grant does not name',
    await emergencyOfficer.post('/api/v1/playbacks', ask),
    'access.not-holder',
  );
  checks.refused('a stranger', await cast.stranger.post('/api/v1/playbacks', ask), 'platform.unauthenticated');

  const { url } = await play(one, checks, 'a ticket for the window', ask);
  const playlist = await readPlaylist(url);
  checks.that('the playlist is whole', playlist.ended && playlist.segments.length > 0, playlist.text);
  const inside = playlist.segments.every(
    (s) => s.startMs >= window.from - 1 && s.startMs + s.durationMs <= window.to + 1,
  );
  checks.that('every segment lies inside the window', inside, playlist.text);
  const naked = new URL(url);
  naked.search = '';
  checks.that('without ticket nothing plays', (await readPlaylist(naked)).status === 401);
  const forged = new URL(url);
  forged.searchParams.set('ticket', `${url.searchParams.get('ticket')?.slice(0, -4)}AAAA`);
  checks.that('a forged ticket plays nothing', (await readPlaylist(forged)).status === 401);
  const frames = await countFrames(playlist.segments, join(folder, 'watched.mp4'));
  const expected = Math.round(playlist.segments.reduce((sum, s) => sum + s.durationMs, 0) / 40);
  checks.that(`${frames} frames decoded, as many as the playlist promises`, Math.abs(frames - expected) <= 2, expected);
  return frames;
}

/** How long after a revocation a player still got something, ms. */
async function secondsOfAfterlife(url: URL): Promise<number> {
  const from = performance.now();
  while (performance.now() - from < 10_000) {
    const { status } = await readPlaylist(url);
    if (status !== 200) return performance.now() - from;
    await sleep(50);
  }
  return Number.POSITIVE_INFINITY;
}

/** Live feed for a machine under a standing share (Art. 7): asked, approved, fetched, renewed, revoked. */
export async function share(
  cast: Cast,
  checks: Checks,
  cameras: { cameraId: string; idleCameraId: string },
  folder: string,
): Promise<number> {
  checks.chapter('8. Standing share for a machine 常态化共享');
  const { client } = cast;
  const { responsiblePerson } = cast.people;
  const idle = await client.post('/api/v1/access-requests', standingShare(cast, cameras.idleCameraId));
  checks.refused('a camera that is not integrated', idle, 'access.not-integrated', 'gz117:7');
  const grantId = await shareLive(cast, checks, cameras.cameraId);
  const live = { grantId, cameraId: cameras.cameraId, mode: 'live' };
  const { id: playbackId, url } = await play(client, checks, 'the client gets a ticket for the live feed', live);
  const first = await readPlaylist(url);
  checks.that('the live feed plays', first.status === 200 && first.segments.length > 0 && !first.ended, first.text);
  const frames = await countFrames(first.segments, join(folder, 'live.mp4'));
  checks.that(`${frames} live frames decoded`, frames > 0);

  const renewal = await client.post(`/api/v1/playbacks/${playbackId}/ticket`);
  const renewed = new URL(String(checks.done('the ticket is renewed', renewal).url), client.baseUrl);
  await sleep(2_500);
  const later = await readPlaylist(renewed);
  const lastBefore = first.segments.at(-1)!.startMs;
  checks.that('the feed goes on', later.status === 200 && later.segments.at(-1)!.startMs > lastBefore, later.text);

  const revoked = responsiblePerson.post(`/api/v1/grants/${grantId}/revocation`, { reason: '共享目的变更' });
  checks.done('the bureau revokes', await revoked);
  const afterlife = await secondsOfAfterlife(renewed);
  checks.that(`the running feed ended ${Math.round(afterlife)} ms after the revocation`, afterlife < 1_000, afterlife);
  const again = await client.post(`/api/v1/playbacks/${playbackId}/ticket`);
  checks.refused('renewal after the revocation', again, 'access.playback-over');
  return frames;
}
