import { parseArgs } from 'node:util';
import { SERVICES, type ServiceName } from '#libs/platform';
import { run, sentenceOf } from '../composition/run.js';
import { type Installation, type Replicas, startInstallation } from './installation.js';

const { values } = parseArgs({ options: { replicas: { type: 'string', multiple: true, default: [] } } });

/** `--replicas access=2`, as often as wanted. */
function replicasOf(given: readonly string[]): Replicas {
  return Object.fromEntries(
    given.map((text) => {
      const [service, count] = text.split('=');
      if (!SERVICES.includes(service as ServiceName) || !/^[1-9]$/.test(count ?? '')) {
        throw new Error(`--replicas ${text}: wanted <service>=<1 to 9>, services are ${SERVICES.join(', ')}.`);
      }
      return [service, Number(count)];
    }),
  );
}

let installation: Installation | undefined;
// As the signal for "read your settings again" of other servers: one process after the other starts anew.
process.on('SIGHUP', () => {
  installation?.restartAll().catch((error: unknown) => {
    process.stderr.write(`Mingjing goes on without restarting the rest: ${sentenceOf(error)}\n`);
  });
});

await run('Mingjing', async (config) => {
  // The settings have been read; each process gets its own, and secrets among these none.
  for (const name of Object.keys(process.env)) if (name.startsWith('MINGJING_')) delete process.env[name];
  installation = await startInstallation(config, replicasOf(values.replicas), (line) =>
    process.stdout.write(`${line}\n`),
  );
  return installation;
});
