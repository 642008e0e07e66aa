import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { DamagedBackupError, fileEntry } from './archive.js';
import { BackupSecret } from './passphrase.js';

export const MANIFEST = 'manifest.json';
const FORMAT = 'mingjing-backup';
const VERSION = 1;

const digest = z.string().regex(/^[0-9a-f]{64}$/);
const position = z.string().regex(/^\d+$/);

/** What a backup holds; written last, so that a folder without it is no backup. */
const manifestSchema = z.strictObject({
  format: z.literal(FORMAT),
  version: z.literal(VERSION),
  /** Moment of the snapshot of the events by the database's clock, ISO 8601. */
  takenAt: z.string(),
  /** Absent when the events are in a KurrentDB, whose own backup holds them. */
  events: z
    .strictObject({
      /** Position of the last event; the first is 1, and there are no gaps. */
      through: position,
      /** SHA-256 of all lines of events in order. */
      sha256: digest,
    })
    .optional(),
  /** Tables besides the events, in the order in which they are loaded. */
  tables: z.array(z.strictObject({ name: z.string(), columns: z.array(z.string()), rows: z.number().int() })),
  /** The list of files: one JSON object a line. */
  files: z.strictObject({ count: z.number().int(), bytes: z.number().int(), list: fileEntry }),
  /** Salt of the passphrase (scrypt), base64. */
  salt: z.string(),
});
export type Manifest = z.output<typeof manifestSchema>;

const vouched = manifestSchema.extend({ mac: digest });

/** The manifest as it is written. */
export function writtenManifest(manifest: Omit<Manifest, 'format' | 'version' | 'salt'>, secret: BackupSecret): string {
  const whole: Manifest = { format: FORMAT, version: VERSION, ...manifest, salt: secret.salt };
  return `${JSON.stringify({ ...whole, mac: secret.vouch(whole) }, null, 2)}\n`;
}

/**
 * Reads the manifest of a backup.
 * @throws DamagedBackupError when there is none, or it is not what was written
 * @throws Error in one sentence when the version is another
 */
export async function readManifest(
  folder: string,
  passphrase: string,
): Promise<{ manifest: Manifest; secret: BackupSecret }> {
  const path = join(folder, MANIFEST);
  let json: unknown;
  try {
    json = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new DamagedBackupError(
      missing
        ? `${folder} is no complete backup: it has no ${MANIFEST}.`
        : `The backup is damaged: ${MANIFEST} is not JSON.`,
    );
  }
  const version = (json as { version?: unknown } | null)?.version;
  if (version !== VERSION)
    throw new Error(`The backup is of version ${String(version)}; this program reads ${VERSION}.`);
  const parsed = vouched.safeParse(json);
  if (!parsed.success) {
    const where = parsed.error.issues[0]?.path.join('.');
    throw new DamagedBackupError(`The backup is damaged: ${MANIFEST} says nothing sensible at ${where}.`);
  }
  const { mac, ...manifest } = parsed.data;
  const secret = new BackupSecret(passphrase, manifest.salt);
  if (!secret.vouchedFor(manifest, mac)) {
    throw new DamagedBackupError(`The passphrase is not that of the backup, or ${MANIFEST} was altered.`);
  }
  return { manifest, secret };
}
