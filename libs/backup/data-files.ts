import { open, opendir, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ArchiveFile, BLOCK_BYTES, type FileEntry } from './archive.js';

/** Folders of media in a data folder. */
const MEDIA = ['recordings', 'clips'] as const;
/** Says whose folder it is; restored last, so that half a folder starts nowhere. */
export const MARKER = 'mingjing.json';
/** How far the minutes of a camera are sealed. */
const SEAL_MARK = 'sealed.json';
const KEY_FILES_MAX = 100;
const KEY_BYTES_MAX = 64 * 1024;

/** Every regular file below a folder, relative to it, folder by folder; none when the folder is not there. */
async function* filesBelow(folder: string, below = ''): AsyncGenerator<string> {
  const entries = await opendir(join(folder, below)).catch(absent);
  if (entries === undefined) return;
  for await (const entry of entries) {
    const path = below === '' ? entry.name : `${below}/${entry.name}`;
    if (entry.isDirectory()) yield* filesBelow(folder, path);
    else if (entry.isFile()) yield path;
  }
}

/** How far minutes are sealed: to be taken before the events, lest a mark claim a seal that the events do not have. */
export async function* sealMarks(dataDir: string): AsyncGenerator<string> {
  for (const folder of MEDIA) {
    const cameras = await opendir(join(dataDir, folder)).catch(absent);
    if (cameras === undefined) continue;
    for await (const camera of cameras) if (camera.isDirectory()) yield `${folder}/${camera.name}/${SEAL_MARK}`;
  }
}

/** Recordings and clips: to be taken after the events, so that whatever an event tells of is there. */
export async function* mediaFiles(dataDir: string): AsyncGenerator<string> {
  for (const folder of MEDIA) {
    for await (const path of filesBelow(join(dataDir, folder))) {
      const unfinished = path.endsWith('.part');
      if (!unfinished && !path.endsWith(`/${SEAL_MARK}`)) yield `${folder}/${path}`;
    }
  }
}

/**
 * Copies a file as it is at this moment; of a log of lines, up to its last whole line.
 * @returns undefined when it has gone meanwhile
 */
export async function copyIn(root: string, path: string, source: string): Promise<FileEntry | undefined> {
  const from = await open(source, 'r').catch(absent);
  if (from === undefined) return undefined;
  let copy: ArchiveFile | undefined;
  try {
    let left = source.endsWith('.jsonl') ? await wholeLines(from) : (await from.stat()).size;
    copy = await ArchiveFile.create(root, path);
    for (let at = 0; left > 0; ) {
      const block = Buffer.alloc(Math.min(BLOCK_BYTES, left));
      const { bytesRead } = await from.read(block, 0, block.length, at);
      if (bytesRead === 0) throw new Error(`${source} became shorter while it was copied.`);
      await copy.write(block.subarray(0, bytesRead));
      at += bytesRead;
      left -= bytesRead;
    }
    return await copy.end();
  } catch (error) {
    await copy?.abandon();
    throw error;
  } finally {
    await from.close();
  }
}

/** Bytes up to and with the last line feed. */
async function wholeLines(file: Awaited<ReturnType<typeof open>>): Promise<number> {
  const { size } = await file.stat();
  for (let end = size; end > 0; ) {
    const block = Buffer.alloc(Math.min(BLOCK_BYTES, end));
    await file.read(block, 0, block.length, end - block.length);
    const at = block.lastIndexOf(0x0a);
    if (at >= 0) return end - block.length + at + 1;
    end -= block.length;
  }
  return 0;
}

/**
 * The content of the folder of keys, in base64 by file.
 * @throws Error in one sentence when there are none, or it is no folder of keys
 */
export async function readKeys(folder: string): Promise<Record<string, string>> {
  const keys: Record<string, string> = {};
  const names = (await readdir(folder).catch(absent)) ?? [];
  for (const name of names) {
    // A cluster mounts secrets as links into hidden folders.
    if (name.startsWith('.')) continue;
    if (Object.keys(keys).length === KEY_FILES_MAX)
      throw new Error(`${folder} is no folder of keys: it holds too many.`);
    const { size } = await stat(join(folder, name));
    if (size > KEY_BYTES_MAX) throw new Error(`${folder} is no folder of keys: ${name} has ${size} bytes.`);
    keys[name] = (await readFile(join(folder, name))).toString('base64');
  }
  if (Object.keys(keys).length === 0) throw new Error(`There are no keys in ${folder}: set MINGJING_KEYS.`);
  return keys;
}

/** What a missing file or folder reads as. */
function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
  return undefined;
}
