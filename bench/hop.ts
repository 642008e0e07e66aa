/**
 * Commands through the public API, in one process and in separate ones: what the hop through the gateway costs.
 * A command is the registration of a site: token check, roles from the store, decision, one durable append.
 * Usage: node dist/bench/hop.js [--seconds 4] [--callers 16]
 */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Agent, request } from 'undici';
import { freePort } from '#libs/platform';
import { assemble } from '../test/scenarios/cast.js';
import { Checks } from '../test/scenarios/checks.js';
import { type Composition, startHubProcess } from '../test/services/hub-process.js';
import { closedLoop, type Measured } from './closed-loop.js';

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '4' }, callers: { type: 'string', default: '16' } },
});
const seconds = Number(values.seconds);
const callers = Number(values.callers);

async function measure(composition: Composition): Promise<{ one: Measured; many: Measured }> {
  const folder = mkdtempSync(join(tmpdir(), 'mingjing-hop-'));
  const settings = { MINGJING_DATA: join(folder, 'data'), MINGJING_PORT: String(await freePort()) };
  const hub = await startHubProcess(settings, undefined, composition);
  const dispatcher = new Agent({ connections: callers });
  try {
    const cast = await assemble(hub.url, hub.administratorCode ?? '', new Checks(() => undefined));
    const authorization = `Bearer ${await cast.people.clerk.token()}`;
    const managingUnitId = cast.organisations.station;
    const body = JSON.stringify({ name: '贵阳站', category: 'gz117:8.1(8)', division: '520102', managingUnitId });
    const command = async () => {
      const headers = { authorization, 'content-type': 'application/json', 'idempotency-key': randomUUID() };
      const answer = await request(`${hub.url}/api/v1/sites`, { method: 'POST', headers, body, dispatcher });
      await answer.body.dump();
      if (answer.statusCode !== 201) throw new Error(`POST /api/v1/sites answered ${answer.statusCode}`);
    };
    const one = await closedLoop(1, seconds, command);
    const many = await closedLoop(callers, seconds, command);
    console.log(`${composition}: one caller ${JSON.stringify(one)}, ${callers} callers ${JSON.stringify(many)}`);
    return { one, many };
  } finally {
    await dispatcher.close();
    await hub.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

const hub = await measure('hub');
const services = await measure('services');
console.log(
  JSON.stringify({
    bench: 'hop',
    callers,
    hub_per_s: hub.many.per_s,
    services_per_s: services.many.per_s,
    ratio: Math.round((services.many.per_s / hub.many.per_s) * 100) / 100,
    hub_p99_ms: hub.many.p99_ms,
    services_p99_ms: services.many.p99_ms,
    hop_p50_ms: Math.round((services.one.p50_ms - hub.one.p50_ms) * 100) / 100,
  }),
);
