import { createPublicKey, type KeyObject } from 'node:crypto';
import { type FileHandle, open, readFile, stat } from 'node:fs/promises';
import { type ClipFault, MANIFEST_BYTES_MAX, ManifestError, verifyClip } from '#libs/media';

/** Answer of `mingjing verify-clip`; exit code 0: good, 1: bad, 2: cannot be checked. */
export interface VerifyClipAnswer {
  readonly exitCode: 0 | 1 | 2;
  readonly report: Readonly<Record<string, unknown>>;
  readonly sentences: readonly string[];
}

/** What was given cannot be used; the message is one sentence for the user. */
class UnusableInput extends Error {
  override readonly name = 'UnusableInput';
}

const KEY_BYTES_MAX = 64 * 1024;

/** Checks the files of a clip. */
export async function verifyClipFiles(mp4: string, manifest: string, key: string): Promise<VerifyClipAnswer> {
  let clip: FileHandle | undefined;
  try {
    const publicKey = await readKey(key);
    const signed = await readWhole(manifest, MANIFEST_BYTES_MAX, 'manifest');
    clip = await open(mp4).catch(unusable('clip', mp4));
    const file = clip;
    const { size } = await file.stat();
    const read = async (offset: number, length: number) => {
      const { buffer, bytesRead } = await file
        .read(Buffer.alloc(length), 0, length, offset)
        .catch(unusable('clip', mp4));
      if (bytesRead !== length) throw new UnusableInput(`The clip ${mp4} changes while it is read.`);
      return buffer;
    };
    const { good, faults, manifest: said } = await verifyClip({ size, read }, signed, publicKey);
    const { segments, range } = said.predicate;
    const report = { good, clip: said.name, segments: segments.length, range, faults };
    if (!good)
      return { exitCode: 1, report, sentences: ['NO: the clip is not what was exported.', ...faults.map(say)] };
    const sentence = `YES: ${segments.length} segments from ${range.from} to ${range.to} are as they were recorded.`;
    return { exitCode: 0, report, sentences: [sentence] };
  } catch (error) {
    if (!(error instanceof UnusableInput) && !(error instanceof ManifestError)) throw error;
    const sentence = error instanceof ManifestError ? `The manifest cannot be used: ${error.message}.` : error.message;
    return { exitCode: 2, report: { good: false, error: error.message }, sentences: [sentence] };
  } finally {
    await clip?.close();
  }
}

function say({ part, index, name, at, from, to }: ClipFault): string {
  const where = `bytes ${from} to ${to - 1} of the clip`;
  switch (part) {
    case 'init':
      return `The initialisation segment is altered (${where}).`;
    case 'segment':
      return `Segment ${index} (${name}), recorded at ${at}, is altered (${where}).`;
    case 'missing':
      return `Segment ${index} (${name}), recorded at ${at}, is cut off or missing (${where}).`;
    case 'surplus':
      return `Something was added behind the last segment (${where}).`;
    case 'whole':
      return 'The digest of the whole clip is another one.';
  }
}

async function readKey(path: string): Promise<KeyObject> {
  const pem = await readWhole(path, KEY_BYTES_MAX, 'key');
  try {
    const key = createPublicKey(pem);
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch {
    // falls through: whatever else is in the file is no key
  }
  throw new UnusableInput(`The key ${path} is not an Ed25519 public key in PEM form.`);
}

async function readWhole(path: string, most: number, what: string): Promise<Buffer> {
  const { size } = await stat(path).catch(unusable(what, path));
  if (size > most) throw new UnusableInput(`The ${what} ${path} is too large (${size} bytes, at most ${most}).`);
  return readFile(path).catch(unusable(what, path));
}

function unusable(what: string, path: string) {
  return (error: NodeJS.ErrnoException): never => {
    throw new UnusableInput(`The ${what} ${path} cannot be read (${error.code}).`);
  };
}
