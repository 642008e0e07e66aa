import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { keyFilesOf, PROCESSES, PROVIDED_FILES, type ProcessName, writeSecret } from '../composition/provision.js';

/** The secret in a file, made when it is not there. */
export function secretIn(path: string, make: () => string): string {
  if (!existsSync(path)) writeSecret(path, make());
  return readFileSync(path, 'utf8').trim();
}

/** Names of all files that a process may find in its folder. */
export function filesOf(name: ProcessName): readonly string[] {
  return [...Object.values(PROVIDED_FILES), ...keyFilesOf(name)];
}

/**
 * A Kubernetes Secret for each process, and one for the job that prepares the database, as one YAML stream.
 * @param database files of that job
 */
export function secretManifests(folder: string, database: Readonly<Record<string, Buffer>>): string {
  const secret = (name: string, files: Readonly<Record<string, Buffer>>) => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: `mingjing-${name}`, labels: { 'app.kubernetes.io/part-of': 'mingjing' } },
    type: 'Opaque',
    data: Object.fromEntries(Object.entries(files).map(([file, bytes]) => [file, bytes.toString('base64')])),
  });
  const secrets = PROCESSES.map((name) => {
    const there = filesOf(name).filter((file) => existsSync(join(folder, name, file)));
    return secret(name, Object.fromEntries(there.map((file) => [file, readFileSync(join(folder, name, file))])));
  });
  if ('owner-url' in database) secrets.push(secret('database', database));
  return secrets.map((each) => stringify(each, { lineWidth: 0 })).join('---\n');
}
