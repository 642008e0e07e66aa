import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ManualClock, newId } from '#libs/kernel';
import { mediaRefusals } from './media.refusals.js';
import { Playbacks } from './playback.js';
import { PlaybackMarks } from './playback-marks.js';
import type { TicketClaims } from './ticket.js';

const ticket = {} as TicketClaims;

describe('a gateway that was killed', () => {
  let folder: string;
  const said: [string, string][] = [];
  let answer: () => Promise<void>;
  const access = {
    start: () => answer(),
    recheck: async () => ({ stillAllowed: [] }),
    stopped: async (id: string, reason: string) => {
      await answer();
      said.push([id, reason]);
    },
  };

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'marks-'));
    answer = async () => undefined;
    said.length = 0;
  });
  afterEach(() => rm(folder, { recursive: true }));

  test('reports at its next start what was playing, and then forgets it', async () => {
    const [ended, running] = [newId(), newId()];
    const before = new PlaybackMarks(folder, access);
    await before.start(ended, ticket);
    await before.start(running, ticket);
    await before.stopped(ended, 'idle', []);

    const after = new PlaybackMarks(folder, access);
    const playbacks = new Playbacks(after, new ManualClock(0));
    playbacks.adopt(await after.left());
    await playbacks.look();
    expect(said).toEqual([
      [ended, 'idle'],
      [running, 'gateway-restarted'],
    ]);
    expect(await after.left()).toEqual([]);
  });

  test('has nothing to report of a start that was refused, but of one whose record is unknown', async () => {
    const [refused, unknown] = [newId(), newId()];
    const marks = new PlaybackMarks(folder, access);
    answer = async () => {
      throw mediaRefusals['media.playback-ended']('no');
    };
    await expect(marks.start(refused, ticket)).rejects.toMatchObject({ code: 'media.playback-ended' });
    answer = async () => {
      throw new Error('connection lost');
    };
    await expect(marks.start(unknown, ticket)).rejects.toThrow('connection lost');
    expect(await marks.left()).toEqual([unknown]);
  });
});
