import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** A Debian package and how to see that it is there. */
interface Needed {
  readonly packages: readonly string[];
  readonly what: string;
  present(): boolean;
}

const answers = (command: string, ...args: string[]) => spawnSync(command, args, { stdio: 'ignore' }).status === 0;

const FOR_THE_HUB: readonly Needed[] = [
  { packages: ['ffmpeg'], what: 'ffmpeg pulls and remuxes video', present: () => answers('ffmpeg', '-version') },
];

const FOR_DEMO_AND_TESTS: readonly Needed[] = [
  {
    packages: [
      'python3',
      'python3-gi',
      'gir1.2-gst-rtsp-server-1.0',
      'gstreamer1.0-plugins-base',
      'gstreamer1.0-plugins-good',
      'gstreamer1.0-plugins-bad',
      'gstreamer1.0-plugins-ugly',
    ],
    what: 'GStreamer serves a real RTSP camera',
    present: () =>
      answers('/usr/bin/python3', '-c', "import gi; gi.require_version('GstRtspServer', '1.0')") &&
      ['x264', 'coreelements', 'pango', 'rtpmanager', 'videoparsersbad'].every((plugin) => pluginExists(plugin)),
  },
  {
    packages: ['openjdk-17-jre-headless', 'maven'],
    what: 'Java and Maven run a real Kafka broker',
    present: () => answers('java', '-version') && answers('mvn', '--version'),
  },
  { packages: ['procps'], what: 'pgrep finds decoders to kill', present: () => answers('pgrep', '--version') },
  { packages: ['chromium'], what: 'Chromium looks at the pages', present: () => existsSync('/usr/bin/chromium') },
];

function pluginExists(plugin: string): boolean {
  const folders = ['x86_64-linux-gnu', 'aarch64-linux-gnu'].map((arch) => `/usr/lib/${arch}/gstreamer-1.0`);
  return folders.some((folder) => existsSync(`${folder}/libgst${plugin}.so`));
}

/**
 * Installs the Debian packages that are missing, when it may; otherwise says in one sentence what to install.
 * With `--tests` also what the demo and the tests need, and then a missing part is a failure.
 */
function setUp(forTests: boolean): number {
  const missing = [...FOR_THE_HUB, ...(forTests ? FOR_DEMO_AND_TESTS : [])].filter((needed) => !needed.present());
  if (missing.length === 0) return 0;
  const packages = missing.flatMap((needed) => needed.packages);
  if (process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) {
    process.stdout.write(`installing ${packages.join(' ')} …\n`);
    const options = { stdio: ['ignore', 'ignore', 'inherit'] as ('ignore' | 'inherit')[] };
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    try {
      execFileSync('apt-get', ['update', '-qq'], { ...options, env });
      execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], { ...options, env });
    } catch {
      process.stderr.write('apt-get did not succeed\n');
    }
  }
  const still = missing.filter((needed) => !needed.present());
  for (const needed of still) {
    process.stderr.write(`Missing: ${needed.what}; install it with: apt-get install ${needed.packages.join(' ')}\n`);
  }
  return still.length > 0 && forTests ? 1 : 0;
}

process.exitCode = setUp(process.argv.includes('--tests'));
