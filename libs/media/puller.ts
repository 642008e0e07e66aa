import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Refusal } from '#libs/kernel';
import type { SourceCredentials } from './authorization.js';
import { BoxError } from './boxes.js';
import { Fmp4Parser, type Fragment, type InitSegment } from './fmp4.js';
import type { CheckedSource } from './source-address.js';
import { SourceError, type SourceFailure } from './source-connection.js';
import { openInput, type SourceInput } from './source-input.js';

export interface PullerOptions {
  /** Checks the address anew: asked before every connection, since names come to mean other addresses. */
  readonly source: () => Promise<CheckedSource>;
  readonly credentials?: (() => Promise<SourceCredentials | undefined>) | undefined;
  /** A run has begun; its fragments follow. What these two throw as `SourceError` or file system error ends the run. */
  readonly onInit: (init: InitSegment) => Promise<void>;
  readonly onFragment: (fragment: Fragment) => Promise<void>;
  /** Called once when no video comes any more, or none ever came. */
  readonly interrupted: (failure: SourceFailure) => void;
  /** Called once when the first fragment after an interruption has been taken. */
  readonly restored: () => void;
  readonly log: (message: string, facts: Readonly<Record<string, unknown>>) => void;
  readonly limits?: Partial<PullerLimits>;
}

export interface PullerLimits {
  /** No fragment for so long ends the run; key frames must not be further apart. */
  readonly stallMs: number;
  /** Waiting time before the first repetition; doubled with each, up to the longest. */
  readonly backOffMs: number;
  readonly backOffMsMax: number;
}

const LIMITS: PullerLimits = { stallMs: 10_000, backOffMs: 500, backOffMsMax: 30_000 };
/** A run that lasted so long was a good one: the next repetition comes soon again. */
const GOOD_RUN_MS = 30_000;
const KILL_MS = 2_000;
const WORDS_BYTES_MAX = 4_000;

/**
 * Pulls the video of one source with ffmpeg, without decoding it, run after run until it is stopped. Whatever the
 * source does – ends, hangs, lies, sends garbage – ends a run and nothing else.
 */
export class Puller {
  readonly #limits: PullerLimits;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #state: 'new' | 'flowing' | 'interrupted' = 'new';
  /** H.265 with its parameter sets in the initialisation segment only, as Apple's players want it. */
  #isHevc = false;

  constructor(private readonly options: PullerOptions) {
    this.#limits = { ...LIMITS, ...options.limits };
  }

  start(): void {
    this.#running ??= this.#pull();
  }

  /** Ends the run; resolves within seconds, when its process is gone and the last callback has returned. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #pull(): Promise<void> {
    const { signal } = this.#stopping;
    let failures = 0;
    while (!signal.aborted) {
      const began = performance.now();
      const end = await this.#run(signal);
      if (signal.aborted) return;
      if (end === 'is-hevc') continue;
      if (this.#state !== 'interrupted') {
        this.#state = 'interrupted';
        this.options.interrupted(end);
      }
      failures = performance.now() - began > GOOD_RUN_MS ? 0 : failures + 1;
      const { backOffMs, backOffMsMax } = this.#limits;
      const most = Math.min(backOffMsMax, backOffMs * 2 ** Math.min(failures, 20));
      // Half of it by chance, so that the cameras behind one broken line do not come back in step.
      await sleep(most * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => {});
    }
  }

  async #run(stopping: AbortSignal): Promise<SourceFailure | 'is-hevc'> {
    const ending = new AbortController();
    const signal = AbortSignal.any([stopping, ending.signal]);
    let input: SourceInput | undefined;
    try {
      const credentials = await this.#credentials();
      input = await openInput(await this.options.source(), credentials, signal);
      return await this.#read(input, signal);
    } catch (error) {
      const failure = failureOf(error);
      this.options.log('a source gives no video', { failure, detail: error instanceof BoxError ? error.message : '' });
      return failure;
    } finally {
      ending.abort();
      await input?.close();
    }
  }

  async #credentials(): Promise<SourceCredentials | undefined> {
    try {
      return await this.options.credentials?.();
    } catch {
      // The error of a secret store is not for a log.
      throw new SourceError('credentials-unavailable');
    }
  }

  /** Reads one run of ffmpeg to its end. */
  async #read(input: SourceInput, signal: AbortSignal): Promise<SourceFailure | 'is-hevc'> {
    const child = startFfmpeg('ffmpeg', [...input.args, ...this.#output()], input);
    const exited = exitOf(child);
    const words = tail(child);
    let stalled = false;
    const kill = () => endProcess(child);
    signal.addEventListener('abort', kill);
    let taking = false;
    const watchdog = setTimeout(() => {
      // Whoever takes fragments may take his time: then it is not the source that is slow.
      if (taking) return void watchdog.refresh();
      stalled = true;
      kill();
    }, this.#limits.stallMs);
    let fragments = 0;
    try {
      const parser = new Fmp4Parser();
      for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
        for (const part of parser.push(chunk)) {
          if (part.kind === 'init' && part.track.codec.startsWith('hev1.') && !this.#isHevc) {
            this.#isHevc = true;
            return 'is-hevc';
          }
          taking = true;
          await this.#take(part);
          taking = false;
          if (part.kind === 'fragment') fragments += 1;
          watchdog.refresh();
        }
      }
      // The last words of the process say why; it is dead or dying by now.
      await exited;
    } finally {
      clearTimeout(watchdog);
      signal.removeEventListener('abort', kill);
      kill();
      await exited;
    }
    this.options.log('a run has ended', { fragments, stalled, words: words() });
    this.#isHevc &&= fragments > 0;
    if (stalled) return fragments > 0 ? 'stalled' : 'timed-out';
    return input.failure() ?? (fragments > 0 ? 'ended' : failureIn(words()));
  }

  async #take(part: InitSegment | Fragment): Promise<void> {
    if (part.kind === 'init') return this.options.onInit(part);
    await this.options.onFragment(part);
    if (this.#state === 'interrupted') this.options.restored();
    this.#state = 'flowing';
  }

  #output(): string[] {
    return [
      ...['-map', '0:v:0', '-c:v', 'copy', '-an', '-sn', '-dn', '-map_metadata', '-1', '-map_chapters', '-1'],
      ...(this.#isHevc ? ['-tag:v', 'hvc1'] : []),
      // Fragments begin with a key frame and last two seconds, or to the next key frame after that.
      ...['-f', 'mp4', '-movflags', 'frag_keyframe+empty_moov+default_base_moof', '-min_frag_duration', '1900000'],
      'pipe:1',
    ];
  }
}

/** Starts ffmpeg or ffprobe with nothing of ours in its environment and the input connected. */
export function startFfmpeg(program: 'ffmpeg' | 'ffprobe', args: readonly string[], input: SourceInput): ChildProcess {
  const stdin = input.descriptor ?? (input.feed ? 'pipe' : 'ignore');
  const quiet = ['-hide_banner', '-loglevel', 'error', ...(program === 'ffmpeg' ? ['-nostdin', '-nostats'] : [])];
  const child = spawn(program, [...quiet, ...args], {
    stdio: [stdin, 'pipe', 'pipe'],
    env: { PATH: process.env.PATH },
  });
  if (input.feed && child.stdin) {
    child.stdin.on('error', () => input.feed?.destroy());
    input.feed.on('close', () => child.stdin?.end());
    input.feed.pipe(child.stdin);
  }
  return child;
}

/** Resolves when the process is gone, or never came to be. */
export async function exitOf(child: ChildProcess): Promise<void> {
  const failed = new Promise<void>((resolve) => child.once('error', () => resolve()));
  await Promise.race([once(child, 'close').catch(() => {}), failed]);
}

/** Asks the process to end, then makes it. */
export function endProcess(child: ChildProcess): void {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), KILL_MS);
  child.once('exit', () => clearTimeout(timer));
}

/** The end of what the process says, without addresses. */
export function tail(child: ChildProcess): () => string {
  let words = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    words = (words + chunk).slice(-WORDS_BYTES_MAX);
  });
  return () => words.replace(/[a-z]+:\/\/\S+/gi, '<address>').trim();
}

/** What ffmpeg's last words mean. */
export function failureIn(words: string): SourceFailure {
  if (/\b40[13]\b|not authorized|authorization failed/i.test(words)) return 'unauthorised';
  if (/refused|unreachable|no route|reset by peer|404|input\/output error|broken pipe/i.test(words))
    return 'unreachable';
  if (/timed out/i.test(words)) return 'timed-out';
  if (/invalid data|error while decoding|could not find codec|unspecified size/i.test(words)) return 'garbage';
  return 'no-video';
}

function failureOf(error: unknown): SourceFailure {
  if (error instanceof SourceError) return error.failure;
  if (error instanceof BoxError) return 'garbage';
  if (error instanceof Refusal) return error.code === 'media.address-unknown' ? 'unreachable' : 'not-allowed';
  if (typeof (error as NodeJS.ErrnoException)?.syscall === 'string') return 'storage-failed';
  // Anything else is a bug.
  throw error;
}
