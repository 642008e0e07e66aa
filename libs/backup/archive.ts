import { createHash } from 'node:crypto';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';

/** Files are checked, written and read in blocks of so many bytes; damage is named to its block. */
export const BLOCK_BYTES = 1024 * 1024;

const digest = z.string().regex(/^[0-9a-f]{64}$/);

/** One file of a backup, as its line in the list of files says. */
export const fileEntry = z.strictObject({
  /** Relative to the backup, with slashes, never upwards. */
  path: z.string().regex(/^(?!.*(^|\/)\.\.?(\/|$))[^/\\\0][^\\\0]*$/),
  bytes: z.number().int().min(0),
  /** SHA-256 of the whole, as sha256sum prints it. */
  sha256: digest,
  /** SHA-256 of each block of 1 MiB. */
  blocks: z.array(digest),
  /** Of a file of events: the positions of its first and last. */
  positions: z.tuple([z.string(), z.string()]).optional(),
});
export type FileEntry = z.output<typeof fileEntry>;

/** A backup that is not what it was when it was made; the message names the file and the place in one sentence. */
export class DamagedBackupError extends Error {
  override readonly name = 'DamagedBackupError';
}

/** A file of the backup that is being written: hashed as it grows, durable when it ends. */
export class ArchiveFile {
  readonly #whole = createHash('sha256');
  readonly #blocks: string[] = [];
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #bytes = 0;

  private constructor(
    readonly path: string,
    private readonly handle: FileHandle,
  ) {}

  static async create(root: string, path: string): Promise<ArchiveFile> {
    const target = join(root, path);
    await mkdir(dirname(target), { recursive: true, mode: 0o700 });
    return new ArchiveFile(path, await open(target, 'wx', 0o600));
  }

  get bytes(): number {
    return this.#bytes;
  }

  async write(chunk: Buffer | string): Promise<void> {
    let rest = typeof chunk === 'string' ? Buffer.from(chunk, 'utf8') : chunk;
    this.#bytes += rest.length;
    while (this.#pendingBytes + rest.length >= BLOCK_BYTES) {
      const taken = BLOCK_BYTES - this.#pendingBytes;
      this.#pending.push(rest.subarray(0, taken));
      rest = rest.subarray(taken);
      await this.#flush();
    }
    if (rest.length === 0) return;
    this.#pending.push(rest);
    this.#pendingBytes += rest.length;
  }

  /** @param positions of the first and last event, when it holds events */
  async end(positions?: readonly [bigint, bigint]): Promise<FileEntry> {
    if (this.#pendingBytes > 0) await this.#flush();
    await this.handle.sync();
    await this.handle.close();
    return {
      path: this.path,
      bytes: this.#bytes,
      sha256: this.#whole.digest('hex'),
      blocks: this.#blocks,
      ...(positions === undefined ? {} : { positions: [String(positions[0]), String(positions[1])] }),
    };
  }

  /** Lets go of it unfinished. */
  async abandon(): Promise<void> {
    await this.handle.close();
  }

  async #flush(): Promise<void> {
    const block = Buffer.concat(this.#pending);
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#whole.update(block);
    this.#blocks.push(createHash('sha256').update(block).digest('hex'));
    await this.handle.writeFile(block);
  }
}

/**
 * The bytes of a file of a backup, block by block, each checked before it is handed out.
 * @throws DamagedBackupError naming the file, the bytes, and the events where it holds events
 */
export async function* readBlocks(root: string, entry: FileEntry): AsyncGenerator<Buffer> {
  const { path, bytes, blocks } = entry;
  const holds = entry.positions === undefined ? '' : ` (events ${entry.positions[0]} to ${entry.positions[1]})`;
  const damaged = (what: string) => new DamagedBackupError(`The backup is damaged: ${path}${holds} ${what}.`);
  const file = await open(join(root, path), 'r').catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'ENOENT' ? damaged('is missing') : error;
  });
  try {
    const { size } = await file.stat();
    if (size !== bytes)
      throw damaged(`has ${size} bytes instead of ${bytes}: it ends or differs at byte ${Math.min(size, bytes)}`);
    for (let index = 0, at = 0; at < bytes; index += 1) {
      const block = Buffer.alloc(Math.min(BLOCK_BYTES, bytes - at));
      const { bytesRead } = await file.read(block, 0, block.length, at);
      const good = bytesRead === block.length && createHash('sha256').update(block).digest('hex') === blocks[index];
      if (!good) throw damaged(`is not what was written, between byte ${at} and byte ${at + block.length}`);
      yield block;
      at += block.length;
    }
  } finally {
    await file.close();
  }
}

/** The lines of a file of a backup, each checked before it is handed out. */
export async function* readLines(root: string, entry: FileEntry): AsyncGenerator<string> {
  let begun: Buffer[] = [];
  for await (const block of readBlocks(root, entry)) {
    let from = 0;
    for (let end = block.indexOf(0x0a); end >= 0; end = block.indexOf(0x0a, from)) {
      yield Buffer.concat([...begun, block.subarray(from, end)]).toString('utf8');
      begun = [];
      from = end + 1;
    }
    if (from < block.length) begun.push(block.subarray(from));
  }
  if (begun.length > 0)
    throw new DamagedBackupError(`The backup is damaged: ${entry.path} ends in the middle of a line.`);
}

/** The list of files, line by line; its own entry stands in the manifest. */
export async function* readFileList(root: string, list: FileEntry): AsyncGenerator<FileEntry> {
  let number = 0;
  for await (const line of readLines(root, list)) {
    number += 1;
    const parsed = fileEntry.safeParse(JSON.parse(line));
    if (!parsed.success)
      throw new DamagedBackupError(`The backup is damaged: line ${number} of ${list.path} names no file.`);
    yield parsed.data;
  }
}
