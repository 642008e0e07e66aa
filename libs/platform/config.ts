import { resolve } from 'node:path';
import { z } from 'zod';
import { platformRefusals } from './platform.refusals.js';

const port = z.coerce.number().int().min(0).max(65_535);
const list = z
  .string()
  .transform((text) =>
    text
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== ''),
  )
  .pipe(z.array(z.string()));

/** Every setting of the hub; each is an environment variable `MINGJING_<NAME>`, unknown ones are refused. */
const schema = z.strictObject({
  HOST: z.string().default('127.0.0.1').describe('address to listen on'),
  PORT: port.default(8080).describe('TCP port to listen on'),
  DATA: z
    .string()
    .default('./data')
    .transform((p) => resolve(p))
    .describe('folder of everything the hub keeps'),
  DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//)
    .optional()
    .describe('PostgreSQL to use; without it the hub runs its own in the data folder'),
  DATABASE_OWNER_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//)
    .optional()
    .describe('the same database as a role that may alter the event store; used for migrations only'),
  PUBLIC_URL: z.url().optional().describe('address by which the hub is reached; default http://HOST:PORT'),
  SOURCE_NETWORKS: list
    .default([])
    .describe('networks (CIDR, by comma) that video may come from besides the private ones'),
  SOURCE_FOLDER: z.string().optional().describe('folder whose files may be video sources'),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
});

/** Settings of a hub; see the schema for meanings. */
export interface HubConfig {
  readonly host: string;
  readonly port: number;
  readonly dataDir: string;
  readonly databaseUrl: string | undefined;
  readonly databaseOwnerUrl: string | undefined;
  readonly publicUrl: string;
  readonly sourceNetworks: readonly string[];
  readonly sourceFolder: string | undefined;
  readonly logLevel: string;
}

/** Injection token of {@link HubConfig}. */
export const HUB_CONFIG = Symbol('HUB_CONFIG');

/**
 * Reads the settings from environment variables.
 * @throws Refusal `platform.bad-configuration` naming the variable and what is wrong with it
 */
export function readConfig(env: Readonly<Record<string, string | undefined>>): HubConfig {
  const prefix = 'MINGJING_';
  const given = Object.fromEntries(
    Object.entries(env)
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, value]) => [name.slice(prefix.length), value]),
  );
  const parsed = schema.safeParse(given);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const name = issue?.code === 'unrecognized_keys' ? issue.keys[0] : issue?.path[0];
    throw platformRefusals['platform.bad-configuration'](`${prefix}${String(name)}: ${issue?.message}`);
  }
  const c = parsed.data;
  return {
    host: c.HOST,
    port: c.PORT,
    dataDir: c.DATA,
    databaseUrl: c.DATABASE_URL,
    databaseOwnerUrl: c.DATABASE_OWNER_URL,
    publicUrl: (c.PUBLIC_URL ?? `http://${c.HOST}:${c.PORT}`).replace(/\/$/, ''),
    sourceNetworks: c.SOURCE_NETWORKS,
    sourceFolder: c.SOURCE_FOLDER === undefined ? undefined : resolve(c.SOURCE_FOLDER),
    logLevel: c.LOG_LEVEL,
  };
}
