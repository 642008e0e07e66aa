import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { BoxError } from './boxes.js';
import { Fmp4Parser, type Fragment, type InitSegment, readFragment, withDecodeTime } from './fmp4.js';

const FRAGMENTED = ['-movflags', 'frag_keyframe+empty_moov+default_base_moof', '-min_frag_duration', '1900000'];

function makeVideo(codec: string, seconds: number): Buffer {
  const input = ['-f', 'lavfi', '-i', 'testsrc=size=320x240:rate=25', '-t', String(seconds)];
  const args = ['-v', 'error', ...input, '-c:v', codec, '-g', '25', ...FRAGMENTED, '-f', 'mp4', 'pipe:1'];
  return execFileSync('ffmpeg', args, { maxBuffer: 64 * 1024 * 1024, stdio: ['ignore', 'pipe', 'ignore'] });
}

function parse(bytes: Buffer, cuts: readonly number[] = []): (InitSegment | Fragment)[] {
  const parser = new Fmp4Parser();
  const at = [0, ...[...cuts].sort((a, b) => a - b), bytes.length];
  return at.slice(1).flatMap((end, i) => parser.push(bytes.subarray(at[i]!, end)));
}

describe('fragmented MP4 as ffmpeg writes it', () => {
  const video = makeVideo('libx264', 7);
  const [init, ...fragments] = parse(video) as [InitSegment, ...Fragment[]];

  test('begins with one H.264 track whose codec and size are read', () => {
    expect(init.kind).toBe('init');
    expect(init.track).toMatchObject({ width: 320, height: 240, codec: expect.stringMatching(/^avc1\.[0-9a-f]{6}$/) });
  });

  test('goes on in fragments of about two seconds that meet end to end and hold every picture', () => {
    const { timescale } = init.track;
    expect(fragments.map(({ duration }) => duration / timescale)).toEqual([2, 2, 2, 1]);
    expect(fragments.reduce((sum, { samples }) => sum + samples, 0)).toBe(7 * 25);
    let next = fragments[0]!.decodeTime;
    for (const { decodeTime, duration } of fragments) {
      expect(decodeTime).toBe(next);
      next += duration;
    }
  });

  test('comes out the same however the bytes arrive', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(video.length), { maxLength: 40 }), (cuts) => {
        const bytes = parse(video, cuts).map((part) => part.bytes);
        expect(bytes.length).toBe(fragments.length + 1);
        expect(bytes.every((part, i) => part.equals([init, ...fragments][i]!.bytes))).toBe(true);
      }),
      { numRuns: 30 },
    );
  });

  test('H.265 is read too', () => {
    const [{ track }] = parse(makeVideo('libx265', 1)) as [InitSegment];
    expect(track.codec).toMatch(/^h(ev|vc)1\.\d+\.[0-9A-F]+\.[LH]\d+(\.[0-9A-F]{1,2}){0,6}$/);
  });

  test('a fragment moved in time and back is the same fragment', () => {
    const { bytes, decodeTime } = fragments[1]!;
    const moved = withDecodeTime(bytes, 12_345);
    expect(readFragment(moved, init.track).decodeTime).toBe(12_345);
    expect(withDecodeTime(moved, decodeTime).equals(bytes)).toBe(true);
    expect(moved.equals(bytes)).toBe(false);
  });
});

describe('what is no fragmented MP4', () => {
  test('is refused in words, whatever it is, and never held without bound', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 64, maxLength: 4_096 }), (noise) => {
        const parser = new Fmp4Parser();
        expect(() => {
          for (let i = 0; i < 100; i += 1) parser.push(Buffer.from(noise));
        }).toThrow(BoxError);
      }),
    );
  });

  test('a flipped byte in the headers is refused or read, never a crash of another kind', () => {
    const video = makeVideo('libx264', 3);
    fc.assert(
      fc.property(fc.nat(2_000), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const altered = Buffer.from(video);
        altered[at]! ^= flip;
        try {
          parse(altered);
        } catch (error) {
          expect(error).toBeInstanceOf(BoxError);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('a box that promises more than a fragment may hold is refused before its bytes come', () => {
    const huge = Buffer.alloc(8);
    huge.writeUInt32BE(1_000_000_000);
    huge.write('ftyp', 4, 'latin1');
    expect(() => new Fmp4Parser().push(huge)).toThrow(/too large/);
  });

  test('a run that promises thousands of millions of pictures in no bytes is refused at once', () => {
    const [init, fragment] = parse(makeVideo('libx264', 1)) as [InitSegment, Fragment];
    const lying = Buffer.from(fragment.bytes);
    const trun = lying.indexOf('trun', 0, 'latin1');
    lying.writeUInt32BE(0, trun + 4);
    lying.writeUInt32BE(0xffffffff, trun + 8);
    expect(() => readFragment(lying, init.track)).toThrow(/4294967295 pictures/);
    expect(readFragment(fragment.bytes, init.track).samples).toBe(25);
  });

  test('pictures that would lie behind the end of their bytes are refused', () => {
    const [init, fragment] = parse(makeVideo('libx264', 1)) as [InitSegment, Fragment];
    const lying = Buffer.from(fragment.bytes);
    // The last picture's fields, its size among them, stand right before `mdat`.
    const mdat = lying.indexOf('mdat', 0, 'latin1') - 4;
    lying.fill(0x01, mdat - 12, mdat);
    expect(() => readFragment(lying, init.track)).toThrow(/not where they should be/);
  });
});
