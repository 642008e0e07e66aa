import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** One segment of a playlist, with the time the playlist gives it. */
export interface Segment {
  readonly url: URL;
  readonly initUrl: URL;
  /** Wall-clock start by EXT-X-PROGRAM-DATE-TIME, ms since the epoch. */
  readonly startMs: number;
  readonly durationMs: number;
}

export interface Playlist {
  readonly status: number;
  readonly segments: readonly Segment[];
  readonly ended: boolean;
  readonly text: string;
}

/** Reads an HLS media playlist (RFC 8216) as a player does. */
export async function readPlaylist(url: URL): Promise<Playlist> {
  const response = await fetch(url);
  const text = await response.text();
  const segments: Segment[] = [];
  let initUrl = url;
  let clock = 0;
  let durationMs = 0;
  for (const line of text.split('\n')) {
    const map = /^#EXT-X-MAP:URI="([^"]+)"/.exec(line)?.[1];
    const at = /^#EXT-X-PROGRAM-DATE-TIME:(\S+)/.exec(line)?.[1];
    const extinf = /^#EXTINF:([\d.]+)/.exec(line)?.[1];
    if (map !== undefined) initUrl = new URL(map, url);
    if (at !== undefined) clock = Date.parse(at);
    if (extinf !== undefined) durationMs = Number(extinf) * 1_000;
    if (line !== '' && !line.startsWith('#')) {
      segments.push({ url: new URL(line, url), initUrl, startMs: clock, durationMs });
      clock += durationMs;
    }
  }
  return { status: response.status, segments, ended: text.includes('#EXT-X-ENDLIST'), text };
}

/** Downloads segments and counts the frames in them with ffprobe, as somebody who has only the bytes. */
export async function countFrames(segments: readonly Segment[], file: string): Promise<number> {
  const parts: Buffer[] = [];
  let init = '';
  for (const segment of segments) {
    if (segment.initUrl.pathname !== init) {
      init = segment.initUrl.pathname;
      parts.push(await download(segment.initUrl));
    }
    parts.push(await download(segment.url));
  }
  await writeFile(file, Buffer.concat(parts));
  return probeFrames(file);
}

/** Decoded frames of a file. */
export async function probeFrames(file: string): Promise<number> {
  const args = ['-v', 'error', '-count_frames', '-select_streams', 'v:0', '-show_entries', 'stream=nb_read_frames'];
  const { stdout } = await run('ffprobe', [...args, '-of', 'csv=p=0', file]);
  return Number.parseInt(stdout, 10);
}

async function download(url: URL): Promise<Buffer> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`GET ${url.pathname} answered ${response.status}`);
  return Buffer.from(await response.arrayBuffer());
}
