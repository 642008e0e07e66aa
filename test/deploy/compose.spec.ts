import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { settings } from '#libs/platform';
import { PROCESSES, type ProcessName } from '../../apps/composition/provision.js';
import { filesOf } from '../../apps/provision/secrets.js';
import { MOUNT, SERVERS } from '../../apps/provision/servers.js';
import { composeChecker } from './go-tools.js';
import { neededSettings, settingsIn } from './settings.js';

interface Service {
  readonly image: string;
  readonly user?: string;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly networks?: readonly string[];
  readonly profiles?: readonly string[];
  readonly volumes?: readonly (
    | string
    | {
        readonly source: string;
        readonly target: string;
        readonly read_only?: boolean;
        readonly volume?: { readonly subpath: string };
      }
  )[];
  readonly healthcheck?: object;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string; readonly required?: boolean }>>;
  readonly deploy?: { readonly resources: { readonly limits: { readonly cpus: string; readonly memory: string } } };
}

const FOLDER = join(process.cwd(), 'deploy');
const text = readFileSync(join(FOLDER, 'compose.yaml'), 'utf8');
const example = environmentFile(readFileSync(join(FOLDER, 'compose', 'example.env'), 'utf8'));
const VARIABLE = /\$\$|\$\{(\w+)(:[-?])([^}]*)\}/g;

/** Fills in variables as Compose does. @throws Error naming one that must be given and is not */
function filled(given: Readonly<Record<string, string>>): string {
  return text.replace(VARIABLE, (whole, name: string, operator: string, rest: string) => {
    if (whole === '$$') return '$';
    if (given[name]) return given[name];
    if (operator === ':?') throw new Error(`${name}: ${rest}`);
    return rest;
  });
}

function environmentFile(content: string): Record<string, string> {
  const lines = content.split('\n').filter((line) => /^\w+=/.test(line));
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
}

const services = (parse(filled(example), { merge: true }) as { services: Record<string, Service> }).services;
const ours = PROCESSES.map((name) => [name, services[name]!] as const);
const JOBS = ['provision', 'database'];

/** Docker's own where there is one, else the reader of Compose files that it is made of. */
const checker =
  spawnSync('docker', ['compose', 'version'], { stdio: 'ignore' }).status === 0
    ? ['docker', 'compose', '-f', 'FILE', 'config', '-q']
    : [composeChecker(), 'FILE'];

/** Whether the reader of Compose files takes it; docker's own where there is one. @returns what it complains of */
function complaint(content: string): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'mingjing-compose-'));
  try {
    const file = join(folder, 'compose.yaml');
    writeFileSync(file, content.replaceAll('$', '$$$$'));
    const [program, ...args] = checker.map((part) => (part === 'FILE' ? file : part));
    const { status, stderr } = spawnSync(program!, args, {
      encoding: 'utf8',
      env: { PATH: process.env.PATH ?? '', HOME: folder },
    });
    return status === 0 ? undefined : stderr;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test.each(['kurrentdb,kafka', 'kurrentdb', 'kafka', ''])('Compose takes it with the servers "%s"', (profiles) => {
  expect(complaint(filled({ ...example, COMPOSE_PROFILES: profiles }))).toBeUndefined();
});

test('a slip in it would be refused', () => {
  expect(complaint(filled(example).replace('read_only: true', 'raed_only: true'))).toMatch(/raed_only/);
});

test('whatever must be given and is not is named, and no password has a default', () => {
  for (const name of ['MINGJING_PUBLIC_URL', 'MINGJING_HTTPS_CERT_FILE', 'MINGJING_HTTPS_KEY_FILE']) {
    expect(() => filled({ ...example, [name]: '' })).toThrow(name);
  }
  const variables = [...text.matchAll(VARIABLE)].filter(([whole]) => whole !== '$$');
  expect(text.replace(VARIABLE, '')).not.toContain('$');
  for (const [, name, operator] of variables) {
    if (/PASSWORD|SECRET|KEY/.test(name!)) expect([name, operator]).toEqual([name, ':?']);
  }
  const images = /^(MINGJING_MEDIA|MINGJING|POSTGRES|KURRENTDB|KAFKA)_IMAGE$/;
  const unknown = variables.map(([, name]) => name!).filter((name) => !(name in example) && !images.test(name));
  expect([...new Set(unknown)]).toEqual([]);
});

test('images are pinned', () => {
  for (const { image } of Object.values(services)) expect(image).toMatch(/:\d+\.\d+[\w.-]*$|@sha256:[0-9a-f]{64}$/);
});

test('every process is there with what it needs, by settings that exist, from files that provisioning makes', () => {
  for (const [name, { command, environment = {} }] of ours) {
    expect(command).toEqual([`dist/apps/${name}/main.js`]);
    const { names, values } = settingsIn(environment);
    expect(neededSettings(name).filter((setting) => !names.includes(setting))).toEqual([]);
    expect(settings.partial().safeParse(values).error?.issues ?? []).toEqual([]);
    for (const value of Object.values(environment)) {
      if (value.startsWith(`${MOUNT}/`)) expect(filesOf(name as ProcessName)).toContain(value.slice(MOUNT.length + 1));
    }
  }
});

test('every service and server sees its own part of the secrets and no other', () => {
  for (const name of [...PROCESSES, ...SERVERS]) {
    const seen = services[name]!.volumes!.filter((v) =>
      typeof v === 'string' ? /^installation:/.test(v) : v.source === 'installation',
    );
    expect(seen).toEqual([
      { type: 'volume', source: 'installation', target: MOUNT, read_only: true, volume: { subpath: name } },
    ]);
  }
});

test('nobody is root, nobody may become more, everybody has limits', () => {
  for (const [name, service] of Object.entries(services)) {
    const { user, cap_drop, security_opt, deploy } = service;
    expect([name, user, cap_drop, security_opt]).toEqual([name, '1000:1000', ['ALL'], ['no-new-privileges:true']]);
    expect(deploy!.resources.limits).toEqual({ cpus: expect.any(String), memory: expect.any(String) });
    expect(service).not.toHaveProperty('privileged');
  }
  // Servers of others that write beside their data are not held to it.
  for (const name of [...PROCESSES, ...JOBS, 'postgres'])
    expect([name, services[name]!.read_only]).toEqual([name, true]);
});

test('only the gateway is reached from outside, and only it and media reach out', () => {
  for (const [name, { ports, networks = [] }] of Object.entries(services)) {
    expect([name, ports !== undefined]).toEqual([name, name === 'gateway']);
    expect([name, networks.includes('outside')]).toEqual([name, ['gateway', 'media'].includes(name)]);
  }
});

test('everything waits for what it needs; optional servers are no need', () => {
  for (const [name, { depends_on }] of ours) {
    expect(depends_on).toMatchObject({ database: { condition: 'service_completed_successfully' } });
    expect([name, depends_on!.kafka !== undefined]).toEqual([name, name === 'relay']);
  }
  expect(services.database!.depends_on).toEqual({
    postgres: { condition: 'service_healthy' },
    kurrentdb: { condition: 'service_healthy', required: false },
  });
  for (const name of SERVERS) expect(services[name]!.healthcheck).toBeDefined();
  expect(services.kurrentdb!.profiles).toEqual(['kurrentdb']);
  expect([services.kafka!.profiles, services.relay!.profiles]).toEqual([['kafka'], ['kafka']]);
});

test('the servers speak TLS only', () => {
  expect(services.postgres!.command).toContain('-cssl=on');
  const rules = readFileSync(join(FOLDER, 'compose', 'pg_hba.conf'), 'utf8')
    .split('\n')
    .filter((line) => /^\w/.test(line));
  for (const rule of rules) expect(rule).toMatch(/^(local|hostssl) .*scram-sha-256$/);
  const kafka = readFileSync(join(FOLDER, 'compose', 'kafka.properties'), 'utf8');
  const protocols = /^listener\.security\.protocol\.map=(.*)$/m.exec(kafka)![1]!.split(',');
  for (const protocol of protocols) expect(protocol).toMatch(/:SSL$/);
  expect(kafka).toMatch(/^ssl\.client\.auth=required$/m);
  expect(kafka).toMatch(/^allow\.everyone\.if\.no\.acl\.found=false$/m);
  expect(services.kurrentdb!.environment).toHaveProperty('KURRENTDB_CERTIFICATE_FILE');
  expect(services.kurrentdb!.environment).not.toHaveProperty('KURRENTDB_INSECURE');
});

test('git holds no secret that these files would need', () => {
  const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', 'deploy'], {
    encoding: 'utf8',
  });
  for (const file of files.trim().split('\n')) {
    const content = readFileSync(file, 'utf8');
    expect([
      file,
      /-----BEGIN|:\/\/[\w.-]+:[^@\s$]+@|(password|secret)\s*[:=]\s*["']?[\w-]{8,}["']?$/im.exec(content)?.[0],
    ]).toEqual([file, undefined]);
  }
});
