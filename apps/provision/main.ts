import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { readConfig } from '#libs/platform';
import { sentenceOf } from '../composition/run.js';
import { migrateInstallation, provisionInstallation } from './provision.js';
import { SERVERS, type ServerName } from './servers.js';

const USAGE = `Usage: provision --folder <folder> [--keys <folder>] [--servers postgres,kurrentdb,kafka]
                 [--trust <pem>] [--kubernetes]
       provision --folder <folder> --database [--access-lists]`;

/**
 * Prepares an installation in parts: certificates, keys and passwords into a folder for each process, or the database
 * for the roles of that folder. May be run again at any time: what is there stays, what runs out is made anew.
 */
try {
  const { values } = parseArgs({
    options: {
      folder: { type: 'string' },
      keys: { type: 'string' },
      servers: { type: 'string', default: '' },
      trust: { type: 'string' },
      kubernetes: { type: 'boolean', default: false },
      database: { type: 'boolean', default: false },
      'access-lists': { type: 'boolean', default: false },
    },
  });
  if (values.folder === undefined) throw new Error(USAGE);
  const folder = resolve(values.folder);
  const config = readConfig(process.env);
  const servers = values.servers.split(',').filter((name) => name !== '');
  const unknown = servers.filter((name) => !(SERVERS as readonly string[]).includes(name));
  if (unknown.length > 0) throw new Error(`--servers ${unknown.join(',')}: servers are ${SERVERS.join(', ')}.`);
  const lines = values.database
    ? await migrateInstallation(config, folder, values['access-lists'] ? 'access-lists' : 'policies')
    : await provisionInstallation(config, {
        folder,
        keysDir: resolve(values.keys ?? `${folder}/keys`),
        servers: servers as ServerName[],
        trust: values.trust,
        kubernetes: values.kubernetes,
      });
  process.stdout.write(`${lines.join('\n')}\n`);
} catch (error) {
  process.stderr.write(`provision failed: ${sentenceOf(error)}\n`);
  process.exitCode = 1;
}
