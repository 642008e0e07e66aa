import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Layout of the data folder; a folder of another layout is not touched. */
const LAYOUT = 1;

/**
 * Opens the data folder, or makes it.
 * @throws Error in one sentence when it belongs to another version or is not a data folder at all
 */
export function openDataFolder(path: string): void {
  const marker = join(path, 'mingjing.json');
  mkdirSync(path, { recursive: true, mode: 0o755 });
  if (!existsSync(marker)) {
    if (readdirSync(path).length > 0) throw new Error(`${path} is not empty and was not made by Mingjing.`);
    writeFileSync(marker, `${JSON.stringify({ product: 'mingjing', layout: LAYOUT })}\n`);
    return;
  }
  let layout: unknown;
  try {
    layout = JSON.parse(readFileSync(marker, 'utf8')).layout;
  } catch {
    throw new Error(`${marker} is damaged: it should hold one JSON object with the layout of the data folder.`);
  }
  if (layout !== LAYOUT) {
    throw new Error(
      `The data folder ${path} belongs to another version of Mingjing (layout ${layout}, this version has ${LAYOUT}).`,
    );
  }
}
