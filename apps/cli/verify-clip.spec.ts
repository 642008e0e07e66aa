import { createHash, generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ClipManifest, keyIdOf, signManifest } from '#libs/media';
import { verifyClipFiles } from './verify-clip.js';

const box = (type: string, ...content: Buffer[]) => {
  const size = Buffer.alloc(4);
  const body = Buffer.concat(content);
  size.writeUInt32BE(body.length + 8);
  return Buffer.concat([size, Buffer.from(type, 'latin1'), body]);
};
const fragment = (decodeTime: number, picture: string) => {
  const tfdt = Buffer.alloc(12);
  tfdt.writeUInt8(1);
  tfdt.writeBigUInt64BE(BigInt(decodeTime), 4);
  return Buffer.concat([box('moof', box('traf', box('tfdt', tfdt))), box('mdat', Buffer.from(picture))]);
};
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

const NINE = Date.parse('2026-03-01T09:00:00.000Z');
const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const init = Buffer.from('initialisation');
const pictures = ['first', 'second', 'third'];
const shifted = pictures.map((picture, n) => fragment(n * 1_000, picture));
const clip = Buffer.concat([init, ...shifted]);
const said: ClipManifest = {
  name: 'clip.mp4',
  sha256: sha256(clip),
  predicate: {
    camera: { id: 'c1' },
    range: { from: '2026-03-01T09:00:00.000Z', to: '2026-03-01T09:00:06.000Z' },
    init: { bytes: init.length, sha256: sha256(init) },
    segments: pictures.map((picture, index) => ({
      index,
      name: `${NINE}/${index + 7}`,
      startMs: NINE + index * 2_000,
      durationMs: 2_000,
      offset: init.length + shifted.slice(0, index).reduce((sum, { length }) => sum + length, 0),
      bytes: shifted[index]!.length,
      sha256: sha256(fragment(index * 1_000 + 7_000, picture)),
      tfdtShift: '-7000',
    })),
    grant: 'g1',
    session: 's1',
    request: 'r1',
    basis: 'gz117:15.3',
    purpose: '执法',
    exportedBy: { kind: 'person', id: 'p1' },
    destination: '档案',
    exportedAt: '2026-03-02T09:00:00.000Z',
  },
};

describe('mingjing verify-clip', () => {
  const folder = mkdtempSync(join(tmpdir(), 'verify-clip-'));
  const file = (name: string, content: Buffer | string) => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };
  const manifest = signManifest(said, { privateKey, kid: keyIdOf(publicKey) });
  const good = [file('clip.mp4', clip), file('clip.dsse.json', manifest)] as const;
  const key = file('key.pem', publicKey.export({ type: 'spki', format: 'pem' }).toString());
  afterAll(() => rmSync(folder, { recursive: true }));

  test('says yes to what was exported', async () => {
    const answer = await verifyClipFiles(...good, key);
    expect(answer).toMatchObject({ exitCode: 0, report: { good: true, segments: 3, faults: [] } });
    expect(answer.sentences[0]).toMatch(/^YES: 3 segments/);
  });

  test('says no after a flipped byte, and names segment, moment and place', async () => {
    const changed = Buffer.from(clip);
    changed[changed.indexOf('second')]! ^= 1;
    const { exitCode, sentences } = await verifyClipFiles(file('flipped.mp4', changed), good[1], key);
    const { offset, bytes } = said.predicate.segments[1]!;
    expect([exitCode, sentences[1]]).toEqual([
      1,
      `Segment 1 (${NINE}/8), recorded at 2026-03-01T09:00:02.000Z, is altered (bytes ${offset} to ${offset + bytes - 1} of the clip).`,
    ]);
  });

  test('says no when something is missing or added', async () => {
    const cut = await verifyClipFiles(file('cut.mp4', clip.subarray(0, clip.length - 3)), good[1], key);
    expect([cut.exitCode, cut.sentences[1]]).toEqual([1, expect.stringContaining('Segment 2')]);
    const longer = await verifyClipFiles(file('longer.mp4', Buffer.concat([clip, init])), good[1], key);
    expect([longer.exitCode, longer.sentences[1]]).toEqual([1, expect.stringMatching(/^Something was added/)]);
  });

  test('says in one sentence why it cannot check', async () => {
    const other = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 }).publicKey.export({ type: 'spki', format: 'pem' });
    const spoilt = Buffer.from(manifest);
    spoilt[30] = 0;
    const cases: [string, string, string, RegExp][] = [
      [
        ...good,
        file('other.pem', other),
        /^The manifest cannot be used: the manifest is signed by key \S+, the key given/,
      ],
      [...good, file('rsa.pem', rsa.toString()), /not an Ed25519 public key/],
      [...good, file('junk.pem', 'junk'), /not an Ed25519 public key/],
      [...good, join(folder, 'none.pem'), /^The key .* cannot be read \(ENOENT\)/],
      [good[0], file('spoilt.json', spoilt), key, /^The manifest cannot be used: .*at byte 30/],
      [good[0], file('empty.json', ''), key, /^The manifest cannot be used/],
      [join(folder, 'none.mp4'), good[1], key, /^The clip .* cannot be read \(ENOENT\)/],
      [folder, good[1], key, /^The clip .* cannot be read/],
    ];
    for (const [mp4, signed, pem, sentence] of cases) {
      const { exitCode, sentences } = await verifyClipFiles(mp4, signed, pem);
      expect([exitCode, sentences]).toEqual([2, [expect.stringMatching(sentence)]]);
    }
  });
});
