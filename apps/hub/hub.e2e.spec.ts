import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { Agent, request } from 'undici';
import { freePort } from '#libs/platform';
import { makeCertificates } from '#libs/remote';
import { startHubProcess } from '../../test/services/hub-process.js';

describe('the hub as a user starts it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hub-'));
  const settings = async (data = 'data') => ({
    MINGJING_DATA: join(folder, data),
    MINGJING_PORT: String(await freePort()),
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('becomes ready, shows its state in a browser, leads to the API reference, stops on Ctrl-C', async () => {
    const hub = await startHubProcess(await settings());
    expect(hub.administratorCode).toMatch(/^[\w-]{20,}$/);
    const browser = await chromium.launch({
      executablePath: '/usr/bin/chromium',
      args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run'],
    });
    try {
      const page = await browser.newPage();
      const problems: string[] = [];
      page.on('pageerror', (error) => problems.push(error.message));
      page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
      await page.goto(hub.url);
      expect(await page.getByText('Up 运行正常').count()).toBe(1);
      await page.getByRole('link', { name: /API reference/ }).click();
      await page.getByText('Register a site that must have a video system').first().waitFor();
      expect(problems).toEqual([]);
    } finally {
      await browser.close();
    }
    expect(await hub.stop()).toBe(0);
  });

  test('starts again on the same data, also after it was killed, and still offers the unused credential', async () => {
    const killed = await startHubProcess(await settings());
    killed.child.kill('SIGKILL');
    await killed.ended;
    const again = await startHubProcess(await settings());
    expect(again.administratorCode).toBeDefined();
    expect((await fetch(`${again.url}/health/ready`)).status).toBe(200);
    expect(await again.stop()).toBe(0);
  });

  test('speaks HTTPS by the certificate it is given, health and metrics on a port of their own', async () => {
    await makeCertificates(join(folder, 'https'), ['localhost']);
    const managementPort = await freePort();
    const hub = await startHubProcess({
      ...(await settings('https-data')),
      MINGJING_MANAGEMENT_PORT: String(managementPort),
      MINGJING_HTTPS_CERT_FILE: join(folder, 'https', 'localhost.pem'),
      MINGJING_HTTPS_KEY_FILE: join(folder, 'https', 'localhost.key'),
    });
    expect(hub.url).toMatch(/^https:/);
    const ca = readFileSync(join(folder, 'https', 'ca.pem'));
    const agent = new Agent({ connect: { ca, servername: 'localhost' } });
    const configuration = await request(`${hub.url}/oidc/.well-known/openid-configuration`, { dispatcher: agent });
    expect(await configuration.body.json()).toMatchObject({
      issuer: `${hub.url}/oidc`,
      jwks_uri: `${hub.url}/oidc/jwks`,
    });
    await expect(request(hub.url)).rejects.toThrow(/certificate/);
    const management = `http://127.0.0.1:${managementPort}`;
    expect((await fetch(`${management}/health/ready`)).status).toBe(200);
    expect(await (await fetch(`${management}/metrics`)).text()).toContain('mingjing_appended_position');
    expect((await fetch(`${management}/api/v1/cameras`)).status).toBe(404);
    expect(await hub.stop()).toBe(0);
    await agent.close();
  });

  test('says in one sentence that a certificate and a key do not fit', async () => {
    await makeCertificates(join(folder, 'unfit'), ['a', 'b']);
    const start = startHubProcess({
      ...(await settings('unfit-data')),
      MINGJING_HTTPS_CERT_FILE: join(folder, 'unfit', 'a.pem'),
      MINGJING_HTTPS_KEY_FILE: join(folder, 'unfit', 'b.key'),
    });
    await expect(start).rejects.toThrow(/MINGJING_HTTPS_CERT_FILE and MINGJING_HTTPS_KEY_FILE: .*mismatch/);
  });

  test('says in one sentence that its port is taken', async () => {
    const other: Server = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as { port: number };
    const start = startHubProcess({ ...(await settings()), MINGJING_PORT: String(port) });
    await expect(start).rejects.toThrow(/^Mingjing cannot start: port \d+ on 127\.0\.0\.1 is taken[^\n]*\n$/);
    other.close();
  });

  test('says in one sentence that the data folder belongs to another version, or to something else', async () => {
    const foreign = mkdtempSync(join(folder, 'foreign-'));
    writeFileSync(join(foreign, 'mingjing.json'), '{"layout":99}');
    await expect(startHubProcess({ ...(await settings()), MINGJING_DATA: foreign })).rejects.toThrow(
      /belongs to another version of Mingjing \(layout 99[^\n]*\n$/,
    );
    const strange = mkdtempSync(join(folder, 'strange-'));
    writeFileSync(join(strange, 'holiday.jpg'), '');
    await expect(startHubProcess({ ...(await settings()), MINGJING_DATA: strange })).rejects.toThrow(
      /is not empty and was not made by Mingjing/,
    );
  });

  test('says in one sentence that another hub runs on the same data', async () => {
    const first = await startHubProcess(await settings());
    await expect(startHubProcess(await settings())).rejects.toThrow(/^Mingjing cannot start: [^\n]+\n$/);
    expect(await first.stop()).toBe(0);
  });

  test('says in one sentence that ffmpeg is missing', async () => {
    const bin = mkdtempSync(join(folder, 'bin-'));
    symlinkSync(process.execPath, join(bin, 'node'));
    const start = startHubProcess({ ...(await settings('unused')), PATH: bin });
    await expect(start).rejects.toThrow(/^Mingjing cannot start: ffmpeg is missing[^\n]*\n$/);
  });

  test('refuses a setting that does not exist', async () => {
    const start = startHubProcess({ ...(await settings('unused')), MINGJING_DTA: '/x' });
    await expect(start).rejects.toThrow(/^Mingjing cannot start: MINGJING_DTA/);
  });
});
