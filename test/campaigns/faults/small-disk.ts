import { execFileSync } from 'node:child_process';
import { closeSync, fsyncSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const MIB = 1024 * 1024;

/** A small file system of its own (in memory), mounted on a folder; only root may do that. */
export interface SmallDisk {
  /** What the last filling took, MiB. */
  readonly filledMb: number;
  /** Takes all space that is left, and again what becomes free, until it is emptied. */
  fill(): void;
  empty(): void;
  unmount(): void;
}

/** @returns undefined where this machine does not let us mount */
export function mountSmallDisk(folder: string, mb: number): SmallDisk | undefined {
  try {
    const how = `size=${mb}m,mode=0711`;
    execFileSync('mount', ['-t', 'tmpfs', '-o', how, 'mingjing-small-disk', folder], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  const balloon = join(folder, '.balloon');
  let filledMb = 0;
  let again: NodeJS.Timeout | undefined;
  return {
    get filledMb() {
      return filledMb;
    },
    fill: () => {
      filledMb = Math.round(available(folder) / MIB);
      inflate(balloon);
      again = setInterval(() => inflate(balloon), 50);
    },
    empty: () => {
      clearInterval(again);
      rmSync(balloon, { force: true });
    },
    unmount: () => {
      clearInterval(again);
      execFileSync('umount', ['-l', folder], { stdio: 'ignore' });
    },
  };
}

function available(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

/** Appends until nothing more fits. */
function inflate(balloon: string): void {
  const file = openSync(balloon, 'a');
  try {
    for (const piece of [Buffer.alloc(MIB), Buffer.alloc(4_096)]) {
      try {
        for (;;) if (writeSync(file, piece) < piece.length) break;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      }
    }
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
