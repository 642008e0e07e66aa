import { setTimeout as sleep } from 'node:timers/promises';
import type { SourceCredentials } from './authorization.js';
import { endProcess, exitOf, failureIn, startFfmpeg, tail } from './puller.js';
import type { CheckedSource } from './source-address.js';
import { SourceError, type SourceFailure } from './source-connection.js';
import { openInput, type SourceInput } from './source-input.js';

/** What a look at the first frames of a source has found. */
export type Probed =
  | {
      readonly reachable: true;
      /** ffmpeg's name: `h264` or `hevc`. */
      readonly codec: string;
      readonly width: number;
      readonly height: number;
      /** Frames a second. */
      readonly frameRate: number;
    }
  | { readonly reachable: false; readonly failure: SourceFailure };

const PROBE_MS_MAX = 8_000;
const ANSWER_BYTES_MAX = 64 * 1024;
const CODECS = new Set(['h264', 'hevc']);

/**
 * Connects to a source and looks at its first frames; never throws for what a source does.
 * @param source checked just now; closed afterwards when it is a file
 * @param timeMs how long it may take, milliseconds
 */
export async function probe(
  source: CheckedSource,
  credentials?: SourceCredentials,
  timeMs: number = PROBE_MS_MAX,
): Promise<Probed> {
  const ending = new AbortController();
  let input: SourceInput | undefined;
  try {
    const timeIsUp = sleep(timeMs, 'timed-out' as const, { signal: ending.signal });
    const opening = openInput(source, credentials, ending.signal);
    const opened = await Promise.race([opening, timeIsUp]);
    if (opened === 'timed-out') {
      // It may still open: then it is closed at once.
      opening.then((late) => late.close()).catch(() => {});
      return { reachable: false, failure: 'timed-out' };
    }
    input = opened;
    return await look(input, timeIsUp);
  } catch (error) {
    if (error instanceof SourceError) return { reachable: false, failure: error.failure };
    throw error;
  } finally {
    ending.abort();
    await input?.close();
  }
}

async function look(input: SourceInput, timeIsUp: Promise<'timed-out'>): Promise<Probed> {
  // ffprobe has no -re and no loop.
  const args = input.args.filter(
    (arg, at) => arg !== '-re' && arg !== '-stream_loop' && input.args[at - 1] !== '-stream_loop',
  );
  const wanted = [
    '-select_streams',
    'v:0',
    '-show_entries',
    'stream=codec_name,width,height,avg_frame_rate,r_frame_rate',
  ];
  const child = startFfmpeg('ffprobe', [...wanted, '-of', 'json', ...args], input);
  const words = tail(child);
  let answer = '';
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
    if (answer.length < ANSWER_BYTES_MAX) answer += chunk;
  });
  const exited = exitOf(child);
  const ended = await Promise.race([exited, timeIsUp]);
  endProcess(child);
  if (ended === 'timed-out') return { reachable: false, failure: input.failure() ?? 'timed-out' };
  return readAnswer(answer) ?? { reachable: false, failure: input.failure() ?? failureIn(words()) };
}

function readAnswer(answer: string): Probed | undefined {
  let parsed: { streams?: readonly Readonly<Record<string, unknown>>[] };
  try {
    parsed = JSON.parse(answer);
  } catch {
    return undefined;
  }
  const stream = parsed.streams?.[0];
  if (!stream) return undefined;
  const { codec_name: codec, width, height } = stream;
  if (typeof codec !== 'string' || !CODECS.has(codec)) return { reachable: false, failure: 'no-video' };
  // A size of 0: the source announced video and sent none.
  if (!isPositive(width) || !isPositive(height)) return { reachable: false, failure: 'no-video' };
  const frameRate = rateOf(stream.avg_frame_rate) || rateOf(stream.r_frame_rate);
  return { reachable: true, codec, width, height, frameRate };
}

function isPositive(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

/** `25/1` → 25; 0 where nothing is known. */
function rateOf(ratio: unknown): number {
  const [, count, seconds] = /^(\d{1,9})\/(\d{1,9})$/.exec(String(ratio)) ?? [];
  return Number(seconds) > 0 ? Math.round((Number(count) / Number(seconds)) * 100) / 100 : 0;
}
