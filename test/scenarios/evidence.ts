import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CASE_NUMBER, DESTINATION, type Window } from './brokering.js';
import type { Cast } from './cast.js';
import type { Checks } from './checks.js';
import { probeFrames } from './player.js';

const CLI = join(process.cwd(), 'dist', 'apps', 'cli', 'main.js');
const iso = (ms: number) => new Date(ms).toISOString();

interface Verdict {
  readonly status: number;
  readonly output: string;
}

/** Runs `mingjing verify-clip` as whoever received the clip would. */
function verifyClip(clip: string, manifest: string, key: string): Promise<Verdict> {
  return new Promise((resolve) => {
    execFile(process.execPath, [CLI, 'verify-clip', clip, manifest, '--key', key], (error, stdout, stderr) => {
      const status = error === null ? 0 : Number(error.code);
      resolve({ status, output: `${stdout}${stderr}` });
    });
  });
}

/** Export with signed manifest, checked offline; a flipped byte is named to its segment. */
export async function exportClip(
  cast: Cast,
  checks: Checks,
  where: { sessionId: string; cameraId: string; folder: string },
  window: Window,
): Promise<{ frames: number; sha256: string }> {
  checks.chapter('9. Export 导出');
  const { firstInvestigator: one, secondInvestigator: two, emergencyOfficer } = cast.people;
  const { sessionId, cameraId, folder } = where;
  const ask = { sessionId, cameraId, from: iso(window.from), to: iso(window.to) };
  const outside = await one.post('/api/v1/clips', { ...ask, to: iso(window.to + 1_000) });
  checks.refused('an export that reaches outside the window', outside, 'access.outside-window', 'gz117:18(3)');
  const foreign = await emergencyOfficer.post('/api/v1/clips', ask);
  checks.that('refused: an export by somebody else', foreign.status >= 400 && foreign.status < 500, foreign.body);
  const { id } = checks.done('clip exported', await two.post('/api/v1/clips', ask));

  const file = async (path: string, name: string) => {
    const token = await one.token();
    const response = await fetch(new URL(path, one.baseUrl), { headers: { authorization: `Bearer ${token}` } });
    checks.that(`${name} downloaded`, response.ok, response.status);
    const target = join(folder, name);
    writeFileSync(target, Buffer.from(await response.arrayBuffer()));
    return target;
  };
  const clip = await file(`/api/v1/clips/${id}/clip.mp4`, 'clip.mp4');
  const manifest = await file(`/api/v1/clips/${id}/manifest`, 'clip.dsse.json');
  const key = await file('/api/v1/clips/public-key', 'clips.pem');

  const frames = await probeFrames(clip);
  checks.that(`${frames} frames in the clip`, frames > 0);
  const good = await verifyClip(clip, manifest, key);
  checks.that('mingjing verify-clip says yes', good.status === 0, good);
  const bytes = readFileSync(clip);
  const flipped = Buffer.from(bytes);
  const at = Math.floor(bytes.length * 0.6);
  flipped[at] = flipped[at]! ^ 1;
  const damaged = join(folder, 'flipped.mp4');
  writeFileSync(damaged, flipped);
  const bad = await verifyClip(damaged, manifest, key);
  checks.that(
    'after one flipped bit it says no and names the segment',
    bad.status === 1 && /segment/i.test(bad.output),
    bad,
  );
  return { frames, sha256: createHash('sha256').update(bytes).digest('hex') };
}

/** The session is closed; the register says where the material went; nothing plays any more. */
export async function close(cast: Cast, checks: Checks, ids: { sessionId: string; grantId: string; cameraId: string }) {
  checks.chapter('10. Close and look back 结案与回溯');
  const { firstInvestigator: one } = cast.people;
  const path = `/api/v1/retrieval-sessions/${ids.sessionId}`;
  const closure = { disposition: 'copies-kept', destination: DESTINATION };
  checks.done('session closed with destination', await one.post(`${path}/closure`, closure));
  const session = await one.get(path);
  const entry = session.body.entry as Record<string, unknown> | undefined;
  checks.that(
    'the register entry is complete',
    entry?.destination === DESTINATION && entry.recorderId !== undefined,
    session.body,
  );
  const again = await one.post('/api/v1/playbacks', { ...ids, mode: 'recorded', from: iso(0), to: iso(1) });
  checks.that('nothing plays after the closure', again.status === 422, again.body);
}

interface Row {
  readonly type: string;
  readonly time: string;
  readonly position: string;
}

/** Histories by replay, also as of an earlier moment. Gives how many events the store holds. */
export async function lookBack(cast: Cast, checks: Checks, cameraId: string): Promise<number> {
  const { auditor, firstInvestigator, clerk } = cast.people;
  const history = async (path: string, query = ''): Promise<readonly Row[]> => {
    const answer = await auditor.get(`/api/v1/audit/${path}/history?limit=500${query}`);
    checks.that(`history of ${path.split('/')[0]} ${query}`, answer.status === 200, answer.body);
    return answer.body.items as Row[];
  };
  const has = (rows: readonly Row[], ...types: string[]) =>
    types.every((type) => rows.some((row) => row.type === type));

  const ofCase = await history(`cases/${encodeURIComponent(CASE_NUMBER)}`);
  const story = [
    'AccessRequested',
    'AccessApproved',
    'GrantIssued',
    'RetrievalSessionStarted',
    'PlaybackAuthorised',
    'PlaybackStarted',
    'ClipExported',
    'RetrievalSessionClosed',
  ];
  checks.that(
    'the case: request → grant → session → playback → clip → closure',
    has(ofCase, ...story),
    ofCase.map((r) => r.type),
  );
  const approvedAt = ofCase.find((row) => row.type === 'AccessApproved')!.position;
  const before = await history(`cases/${encodeURIComponent(CASE_NUMBER)}`, `&asOf=${BigInt(approvedAt) - 1n}`);
  checks.that(
    'as of the moment before the approval there is none',
    has(before, 'AccessRequested') && !has(before, 'AccessApproved'),
  );
  await sealedMinute(cast, checks, cameraId);
  const ofCamera = await history(`cameras/${cameraId}`);
  checks.that(
    'the camera: registered, connected, recorded, played',
    has(ofCamera, 'CameraRegistered', 'ConnectionOpened', 'RecordingSealed', 'PlaybackStarted', 'PlaybackStopped'),
    ofCamera.map((row) => row.type),
  );
  const ofPerson = await history(`persons/${firstInvestigator.id}`);
  checks.that(
    'the investigator: role, credential, check-in',
    has(ofPerson, 'RoleGranted', 'EnforcementCredentialFiled', 'InvestigatorCheckedIn'),
  );
  const clerkAsks = await clerk.get(`/api/v1/audit/cameras/${cameraId}/history`);
  checks.refused('a clerk who reads histories', clerkAsks, 'platform.forbidden');
  const ready = await auditor.get('/health/ready');
  return Number(ready.body.head);
}

/** Each minute of recording is sealed as one event. */
async function sealedMinute(cast: Cast, checks: Checks, cameraId: string): Promise<void> {
  for (let waited = 0; waited < 150; waited += 1) {
    const { body } = await cast.people.auditor.get(`/api/v1/audit/cameras/${cameraId}/history?limit=500`);
    if ((body.items as Row[]).some((row) => row.type === 'RecordingSealed')) {
      checks.that('a whole minute of recording is sealed', true);
      return;
    }
    await sleep(1_000);
  }
  checks.that('a whole minute of recording is sealed', false);
}
