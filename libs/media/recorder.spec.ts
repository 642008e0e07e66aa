import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, ManualClock, newId, SystemClock } from '#libs/kernel';
import { freePort } from '#libs/platform';
import { startRtspServer } from '../../test/services/rtsp.js';
import { readFragment, readTrack } from './fmp4.js';
import type { SourceProtocol } from './ports.js';
import { Recorder, type Seal } from './recorder.js';
import { record, testVideo } from './recording.fixture.js';
import { merkleRoot } from './seal.js';
import { type Segment, SegmentIndex } from './segment-index.js';
import { SourceGuard } from './source-address.js';

const NOON = Date.parse('2026-03-01T12:00:00Z');

/** A clock that runs, but shows another time. */
class ShiftedClock extends SystemClock {
  constructor(private readonly shiftMs: number) {
    super();
  }

  override now(): number {
    return super.now() + this.shiftMs;
  }
}

describe('recording a camera', () => {
  const cameraId = newId();
  let root: string;
  let guard: SourceGuard;

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'recorder-'));
    guard = new SourceGuard({ networks: ['127.0.0.1/32'], folder: root });
  });
  afterEach(() => rm(root, { recursive: true }));

  function recording(protocol: SourceProtocol, address: string, clock: Clock = new SystemClock()) {
    const index = new SegmentIndex(join(root, 'segments'));
    const facts: string[] = [];
    const seals: Seal[] = [];
    const segments: Segment[] = [];
    const waiting = new Set<() => void>();
    const tell = () => {
      for (const look of waiting) look();
    };
    const put = (fact: string) => {
      facts.push(fact);
      tell();
    };
    /** What the store of events does, as long as it is not told otherwise. */
    const store = { works: true };
    const recorder = new Recorder({
      cameraId,
      index,
      source: () => guard.check(protocol, address),
      started: async ({ codec, width, height }) => put(`started ${codec.slice(0, 4)} ${width}x${height}`),
      interrupted: async ({ reason }) => put(`interrupted: ${reason}`),
      restored: async () => put('restored'),
      seal: async (seal) => {
        if (!store.works) throw new Error('the event store does not answer');
        seals.push(seal);
        tell();
      },
      onSegment: (segment) => {
        segments.push(segment);
        tell();
      },
      log: () => {},
      clock,
      limits: { backOffMs: 100, backOffMsMax: 200 },
    });
    const until = (holds: () => boolean) =>
      new Promise<void>((resolve) => {
        const look = () => {
          if (!holds()) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      });
    return { recorder, index, facts, seals, segments, store, until };
  }

  test('keeps every frame of an RTSP source, each segment under its digest; a killed decoder begins a new epoch', async () => {
    const server = await startRtspServer();
    const { recorder, index, facts, segments, until } = recording('rtsp', server.url);
    await recorder.start();
    await until(() => segments.length === 2);
    const decoder = execFileSync('pgrep', ['-P', String(process.pid), 'ffmpeg'], { encoding: 'utf8' }).trim();
    expect(decoder).toMatch(/^\d+$/);
    process.kill(Number(decoder), 'SIGKILL');
    await until(() => segments.length === 3);
    await recorder.stop();
    await server.stop();
    expect(facts.slice(0, 3)).toEqual(['started avc1 640x360', 'interrupted: ended', 'restored']);

    const [first, second, third] = segments as [Segment, Segment, Segment];
    expect(second.epoch).toBe(first.epoch);
    expect(third.epoch).toBeGreaterThanOrEqual(second.startMs + second.durationMs);
    const onRecord = await new SegmentIndex(join(root, 'segments')).range(cameraId, first.startMs, Date.now() + 60_000);
    expect(onRecord).toEqual(segments);
    const init = await readFile(index.initPath(cameraId, first.epoch));
    const epoch = [init];
    let samples = 0;
    for (const segment of [first, second]) {
      const bytes = await readFile(index.path(cameraId, segment.epoch, segment.n));
      expect(createHash('sha256').update(bytes).digest('hex')).toBe(segment.sha256);
      epoch.push(bytes);
      samples += readFragment(bytes, readTrack(init)).samples;
    }
    await writeFile(join(root, 'epoch.mp4'), Buffer.concat(epoch));
    const counted = ['-v', 'error', '-count_frames', '-show_entries', 'stream=nb_read_frames', '-of', 'csv=p=0'];
    const frames = Number(execFileSync('ffprobe', [...counted, join(root, 'epoch.mp4')], { encoding: 'utf8' }));
    expect(frames).toBe(samples);
    expect(frames).toBeGreaterThanOrEqual(98);
  });

  test('records what an RTMP server pushes, and its end is an interruption', async () => {
    const port = await freePort();
    const picture = ['-f', 'lavfi', '-i', 'testsrc=size=320x240:rate=25', '-t', '6'];
    const coding = [
      '-c:v',
      'libx264',
      '-preset',
      'ultrafast',
      '-tune',
      'zerolatency',
      '-g',
      '25',
      '-pix_fmt',
      'yuv420p',
    ];
    const address = `rtmp://127.0.0.1:${port}/live/street`;
    const serve = ['-v', 'error', '-re', ...picture, ...coding, '-f', 'flv', '-listen', '1', address];
    const server = spawn('ffmpeg', serve, { stdio: 'ignore' });
    const { recorder, facts, segments, until } = recording('rtmp', address);
    await recorder.start();
    await until(() => segments.length >= 2);
    await until(() => facts.some((fact) => fact.startsWith('interrupted')));
    await recorder.stop();
    server.kill('SIGKILL');
    expect(facts).toContain('started avc1 320x240');
    expect(segments.slice(0, -1).every(({ durationMs }) => durationMs > 1_500 && durationMs < 2_500)).toBe(true);
  });

  test('plays a file as a camera would, over midnight in two epochs, and seals the minute that is over', async () => {
    await writeFile(join(root, 'street.mp4'), testVideo(6));
    // The fourth second of the recording is the first of a new day.
    const midnight = Date.parse('2026-03-02T00:00:00Z');
    const { recorder, index, seals, segments, until } = recording(
      'file',
      'street.mp4',
      new ShiftedClock(midnight - 3_000 - Date.now()),
    );
    await recorder.start();
    await until(() => seals.length === 1 && segments.length >= 4);
    await recorder.stop();
    const before = segments.filter(({ startMs }) => startMs < midnight);
    const after = segments.filter(({ startMs }) => startMs >= midnight);
    expect(new Set(before.map(({ epoch }) => epoch)).size).toBe(1);
    expect(after[0]).toMatchObject({ n: 0, epoch: after[0]!.startMs, startMs: before.at(-1)!.startMs + 2_000 });
    expect(await index.init(cameraId, after[0]!.epoch)).toBeDefined();
    expect(seals).toMatchObject([
      { minute: '2026-03-01T23:59:00.000Z', segments: before.length, root: merkleRoot(before.map((s) => s.sha256)) },
    ]);
    expect(seals[0]!.gaps).toHaveLength(1);
  });

  test('seals after a restart what a crash left unsealed, and asks until the record answers', async () => {
    const epoch = NOON + 30_000;
    const made = await record(new SegmentIndex(join(root, 'segments')), cameraId, epoch, testVideo(60));
    const { recorder, seals, store, until } = recording('file', 'none.mp4', new ManualClock(NOON + 3_600_000));
    store.works = false;
    await recorder.start();
    expect(seals).toEqual([]);
    store.works = true;
    await until(() => seals.length === 2);
    await recorder.stop();
    const members = [made.slice(0, 15), made.slice(15)];
    expect(seals.map(({ segments }) => segments)).toEqual([15, 15]);
    expect(seals.map((seal) => seal.root)).toEqual(members.map((part) => merkleRoot(part.map((s) => s.sha256))));
    expect(seals.map(({ gaps }) => gaps.length)).toEqual([1, 1]);

    const again = recording('file', 'none.mp4', new ManualClock(NOON + 3_600_000));
    await again.recorder.start();
    await again.until(() => again.facts.length > 0);
    await again.recorder.stop();
    expect(again.facts).toEqual(['interrupted: not-allowed']);
    expect(again.seals).toEqual([]);
  });

  test('dates nothing back when the clock is set back', async () => {
    await writeFile(join(root, 'street.mp4'), testVideo(6));
    const made = await record(new SegmentIndex(join(root, 'segments')), cameraId, NOON, testVideo(4));
    const { recorder, facts, segments, until } = recording(
      'file',
      'street.mp4',
      new ShiftedClock(NOON - 3_600_000 - Date.now()),
    );
    await recorder.start();
    await until(() => facts.length === 1);
    await recorder.stop();
    expect(facts).toEqual(['interrupted: clock-stepped-back']);
    expect(segments).toEqual([]);
    expect(made).toHaveLength(2);
  });

  test('survives a disk that takes nothing, and goes on when it does again', async () => {
    await writeFile(join(root, 'street.mp4'), testVideo(6));
    // A file where the folder of the camera must be: fails for every user, unlike a permission.
    await writeFile(join(root, 'segments'), '');
    const { recorder, facts, segments } = recording('file', 'street.mp4');
    await expect(recorder.start()).rejects.toThrow('ENOTDIR');
    await recorder.stop();
    expect(segments).toEqual([]);

    await rm(join(root, 'segments'));
    const second = recording('file', 'street.mp4');
    await second.recorder.start();
    await second.until(() => second.segments.length === 1);
    await rm(join(root, 'segments', cameraId), { recursive: true });
    await writeFile(join(root, 'segments', cameraId), '');
    await second.until(() => second.facts.includes('interrupted: storage-failed'));
    await rm(join(root, 'segments', cameraId));
    await second.until(() => second.facts.includes('restored'));
    await second.recorder.stop();
    expect(facts).toEqual([]);
  });
});
