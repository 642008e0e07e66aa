import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Supervised } from './supervised.js';

describe('a supervised process', () => {
  const folder = mkdtempSync(join(tmpdir(), 'supervised-'));
  const broken = join(folder, 'broken');
  const program = join(folder, 'program.cjs');
  const said: string[] = [];
  let supervised: Supervised;

  beforeAll(() => {
    writeFileSync(
      program,
      `if (require('fs').existsSync(process.env.BROKEN)) { console.error('no key'); process.exit(1); }
       process.on('SIGTERM', () => process.exit(0));
       console.log('it is ready after 0 s'); setInterval(() => {}, 1000);`,
    );
  });
  beforeEach(async () => {
    rmSync(broken, { force: true });
    supervised = new Supervised('spec', program, { BROKEN: broken }, (line) => said.push(line));
    await supervised.start();
  });
  afterEach(() => supervised.stop());
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('is followed by the next before it ends', async () => {
    const { pid } = supervised;
    await supervised.restart();
    expect(supervised.pid).not.toBe(pid);
    expect(lives(supervised.pid!)).toBe(true);
    expect(lives(pid!)).toBe(false);
  });

  test('works on when the next one does not come up, which says why', async () => {
    const { pid } = supervised;
    writeFileSync(broken, '');
    await expect(supervised.restart()).rejects.toThrow('no key');
    expect(supervised.pid).toBe(pid);
    expect(lives(pid!)).toBe(true);
    rmSync(broken);
    process.kill(pid!, 'SIGKILL'); // and is watched over as before
    await until(() => supervised.pid !== pid && lives(supervised.pid!));
    await supervised.stop();
    expect(lives(supervised.pid!)).toBe(false);
  });

  test('is started again when it ended while the next one was tried in vain', async () => {
    const { pid } = supervised;
    writeFileSync(broken, '');
    const restart = supervised.restart();
    process.kill(pid!, 'SIGKILL');
    await expect(restart).rejects.toThrow('no key');
    rmSync(broken);
    await until(() => supervised.pid !== pid && lives(supervised.pid!));
  });
});

function lives(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function until(holds: () => boolean): Promise<void> {
  for (const from = performance.now(); !holds(); await sleep(20)) {
    if (performance.now() - from > 10_000) throw new Error('not within 10 s');
  }
}
