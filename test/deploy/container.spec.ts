import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AboutSetting } from '#libs/platform';
import { settings } from '#libs/platform';
import { settingsIn } from './settings.js';

const containerfile = readFileSync('deploy/Containerfile', 'utf8').replaceAll('\\\n', ' ');
const instructions = containerfile.split('\n').filter((line) => /^[A-Z]+ /.test(line));
const having = (name: string) => instructions.filter((line) => line.startsWith(`${name} `));
const packageJson = JSON.parse(readFileSync('package.json', 'utf8')) as { dependencies: { node: string } };

test('the base is the official image of the same Node as everywhere else, and can be pinned by its digest', () => {
  expect(having('ARG')[0]).toBe(`ARG NODE_IMAGE=docker.io/library/node:${packageJson.dependencies.node}-bookworm-slim`);
  const foreign = having('FROM').filter((line) => !/^FROM (\$\{NODE_IMAGE\}|process|modules) AS [\w-]+$/.test(line));
  expect(foreign).toEqual([]);
});

test('ffmpeg is in the image of media only', () => {
  const stage = (name: string) => containerfile.split(/^FROM /m).find((part) => part.includes(` AS ${name}\n`))!;
  expect(stage('media')).toContain('ffmpeg');
  expect(stage('process')).not.toContain('ffmpeg');
});

test('every image ends as a user without a name or rights, by number, so that a cluster can see it', () => {
  const users = having('USER');
  expect(users.filter((line) => line !== 'USER 0:0')).toEqual(['USER 1000:1000', 'USER 1000:1000']);
  expect(users.at(-1)).toBe('USER 1000:1000');
});

test('its programs are there, its settings exist', () => {
  const programs = [...containerfile.matchAll(/dist\/apps\/(\w+)\/main\.js/g)].map(([, name]) => name!);
  expect(programs).toEqual(expect.arrayContaining(['probe', 'gateway', 'hub']));
  for (const name of programs) expect(existsSync(`apps/${name}/main.ts`)).toBe(true);
  const variables = [
    ...having('ENV')
      .join(' ')
      .matchAll(/(MINGJING_\w+)=(\S+)/g),
  ];
  const { values } = settingsIn(Object.fromEntries(variables.map(([, name, value]) => [name!, value!])));
  expect(settings.partial().safeParse(values).success).toBe(true);
  expect(Object.keys(values)).toHaveLength(5);
});

test('nothing gets near an image but what is named', () => {
  const rules = readFileSync('.dockerignore', 'utf8')
    .split('\n')
    .filter((line) => /^[^#]/.test(line));
  expect(rules[0]).toBe('*');
  const named = rules.filter((line) => line.startsWith('!')).map((line) => line.slice(1));
  for (const path of named) expect(existsSync(path)).toBe(true);
  expect(named.filter((path) => /^(data|dist|node_modules|\.git|deploy)/.test(path))).toEqual([]);
});

test('every setting says what it means', () => {
  for (const [name, schema] of Object.entries(settings.shape)) {
    expect([name, (schema.meta() as AboutSetting | undefined)?.description]).toEqual([
      name,
      expect.stringMatching(/\w{3}/),
    ]);
  }
});

test('the probe knows ready from not ready, and takes waiting for one’s turn for ready only when it is told to', async () => {
  let [code, status] = [200, 'up'];
  const server = createServer((_request, response) => response.writeHead(code).end(JSON.stringify({ status })));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const probe = (...args: string[]) =>
    new Promise<number | null>((resolve) => {
      const env = { ...process.env, MINGJING_MANAGEMENT_PORT: String(port), NODE_OPTIONS: '' };
      spawn(process.execPath, ['dist/apps/probe/main.js', ...args], { env }).once('exit', resolve);
    });
  expect(await probe()).toBe(0);
  [code, status] = [503, 'standby'];
  expect([await probe(), await probe('--standby')]).toEqual([1, 0]);
  [code, status] = [503, 'down'];
  expect([await probe(), await probe('--standby')]).toEqual([1, 1]);
  await new Promise((resolve) => server.close(resolve));
  expect(await probe('--standby')).toBe(1);
});
