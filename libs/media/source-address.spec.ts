import { execFileSync } from 'node:child_process';
import { mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { type CheckedSource, type NetworkSource, SourceGuard } from './source-address.js';

const folder = mkdtempSync(join(tmpdir(), 'sources-'));
const names: Record<string, string[]> = {};
const guard = (networks: string[] = []) =>
  new SourceGuard({ networks, folder }, async (host) => names[host] ?? Promise.reject(new Error('NXDOMAIN')));
const refused = (code: string) => expect.objectContaining({ code: `media.${code}` });
const network = (source: CheckedSource) => source as NetworkSource;

/** Ways in which one IPv4 address can be written that some resolver or URL parser understands. */
function spellings(ip: string): string[] {
  const [a, b, c, d] = ip.split('.').map(Number) as [number, number, number, number];
  const whole = ((a * 256 + b) * 256 + c) * 256 + d;
  const hex = (n: number) => `0x${n.toString(16)}`;
  const octal = (n: number) => `0${n.toString(8)}`;
  const pair = (x: number, y: number) => (x * 256 + y).toString(16);
  return [
    ip,
    String(whole),
    hex(whole),
    octal(whole),
    [a, b, c, d].map(hex).join('.'),
    [a, b, c, d].map(octal).join('.'),
    `${a}.${(b * 256 + c) * 256 + d}`,
    `${a}.${b}.${c * 256 + d}`,
    `${ip}.`,
    [...ip].map((ch) => `%${ch.charCodeAt(0).toString(16)}`).join(''),
    `[::ffff:${ip}]`,
    `[::ffff:${pair(a, b)}:${pair(c, d)}]`,
    `[0:0:0:0:0:ffff:${pair(a, b)}:${pair(c, d)}]`,
    `[::${ip}]`,
    `[64:ff9b::${ip}]`,
    `[2002:${pair(a, b)}:${pair(c, d)}::1]`,
  ];
}

const octet = fc.nat(255);
const forbidden = fc.oneof(
  fc.tuple(fc.constant(127), octet, octet, octet),
  fc.tuple(fc.constant(169), fc.constant(254), octet, octet),
  fc.tuple(fc.integer({ min: 224, max: 255 }), octet, octet, octet),
  fc.tuple(fc.constant(0), octet, octet, octet),
  fc.constant([169, 254, 169, 254] as const),
  fc.constant([100, 100, 100, 200] as const),
  fc.constant([8, 8, 8, 8] as const),
);

describe('an address that a user gives', () => {
  const schemes = [
    ['rtsp', 'rtsp'],
    ['rtsp', 'rtsps'],
    ['rtmp', 'rtmp'],
    ['http', 'http'],
    ['http', 'https'],
  ] as const;

  test('of loopback, link-local, multicast, metadata or the open internet is refused in every spelling', async () => {
    await fc.assert(
      fc.asyncProperty(forbidden, fc.constantFrom(...schemes), fc.nat(15), async (octets, [protocol, scheme], way) => {
        const host = spellings(octets.join('.'))[way]!;
        await expect(guard().check(protocol, `${scheme}://${host}:554/live`)).rejects.toMatchObject({
          name: 'Refusal',
        });
      }),
      { numRuns: 500 },
    );
  });

  test('of a private network passes (the control), and the address connected to is the one checked', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.tuple(fc.constant(10), octet, octet, octet),
          fc.tuple(fc.constant(172), fc.integer({ min: 16, max: 31 }), octet, octet),
          fc.tuple(fc.constant(192), fc.constant(168), octet, octet),
        ),
        fc.constantFrom(...schemes),
        async (octets, [protocol, scheme]) => {
          const ip = octets.join('.');
          const mine = Object.values(networkInterfaces()).flat();
          fc.pre(!mine.some((own) => own?.address === ip));
          const source = network(await guard().check(protocol, `${scheme}://${ip}:8554/live?channel=1`));
          expect(source).toMatchObject({ ip, port: 8554, tls: scheme.endsWith('s') });
          expect(source.url.href).toBe(`${scheme}://${ip}:8554/live?channel=1`);
        },
      ),
    );
  });

  test('of this very machine is refused, also by its address in a private network', () => {
    const mine = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
    expect(mine.some(({ address }) => guard().allows(address))).toBe(false);
  });

  test('is opened by configuration only as far as it says', async () => {
    const local = guard(['127.0.0.1/32', '2001:db8::/32']);
    expect(network(await local.check('rtsp', 'rtsp://127.0.0.1/live'))).toMatchObject({ ip: '127.0.0.1', port: 554 });
    await expect(local.check('rtsp', 'rtsp://127.0.0.2/live')).rejects.toEqual(refused('address-not-allowed'));
    expect(network(await local.check('http', 'http://[2001:db8::7]/x'))).toMatchObject({ ip: '2001:db8::7' });
    expect(() => guard(['127.0.0.1'])).toThrow(/CIDR/);
  });

  test('by name is resolved once and refused when any address behind the name is', async () => {
    names['camera.example'] = ['10.1.2.3'];
    expect(network(await guard().check('rtsp', 'rtsp://camera.example/1'))).toMatchObject({ ip: '10.1.2.3' });
    for (const bad of [
      '127.0.0.1',
      '::1',
      '::ffff:127.0.0.1',
      'fe80::1',
      'fe80::1%eth0',
      'fd00:ec2::254',
      'ff02::1',
      '::',
    ]) {
      names['camera.example'] = ['10.1.2.3', bad];
      await expect(guard().check('rtsp', 'rtsp://camera.example/1')).rejects.toEqual(refused('address-not-allowed'));
    }
    await expect(guard().check('rtsp', 'rtsp://nobody.example/1')).rejects.toEqual(refused('address-unknown'));
  });

  test.each([
    'rtsp://user:pass@10.0.0.1/',
    'rtsp://user@10.0.0.1/',
    'rtsp://@10.0.0.1/',
    'rtsp:///10.0.0.1/',
    'rtsp:10.0.0.1',
    'rtsp://10.0.0.1\\@8.8.8.8/',
    'rtsp://10.0.0.1/ -i file:x',
    'rtsp://10.0.0.1/\r\nHost: x',
    'rtsp://10.0.0.1:0/',
    'rtsp://10.0.0.1:99999/',
    'http://10.0.0.1/',
    'file:///etc/passwd',
    'concat:a|b',
    '-version',
    '',
  ])('that is no plain address of its protocol is malformed: %j', async (address) => {
    await expect(guard().check('rtsp', address)).rejects.toEqual(refused('address-malformed'));
  });
});

describe('a file as source', () => {
  writeFileSync(join(folder, '路口一.mp4'), 'x');
  writeFileSync(join(folder, '..secret'), 'x');
  symlinkSync('/etc/passwd', join(folder, 'link.mp4'));
  execFileSync('mkfifo', [join(folder, 'pipe.mp4')]);

  test('is a plain file of the configured folder, by name', async () => {
    const source = await guard().check('file', '路口一.mp4');
    if (source.protocol === 'file') await source.file.close();
    expect(source.protocol).toBe('file');
  });

  test.each(['link.mp4', 'pipe.mp4', 'absent.mp4'])('is refused when it is none: %s', async (name) => {
    await expect(guard().check('file', name)).rejects.toEqual(refused('address-not-allowed'));
  });

  test.each(['../x', '/etc/passwd', '..secret', '.', '', 'a/b', 'a\\b', 'a\0b', '-i'])(
    'is malformed when it is a path: %j',
    async (name) => {
      await expect(guard().check('file', name)).rejects.toEqual(refused('address-malformed'));
    },
  );

  test('is refused when no folder is configured', async () => {
    await expect(new SourceGuard({ networks: [], folder: undefined }).check('file', 'a.mp4')).rejects.toEqual(
      refused('address-not-allowed'),
    );
  });
});
