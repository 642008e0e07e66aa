import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { FeedOptions } from './feed.js';

const REQUEST_MS_MAX = 10_000;
const CONNECT_MS_MAX = 5_000;

const settings = z.object({
  FEED_BROKERS: z.string().min(1).describe('host:port of brokers, by comma'),
  FEED_TOPIC: z.string().min(1).describe('mingjing.department.<organisation id>.v1'),
  FEED_GROUP: z.string().min(1).default('department-feed'),
  FEED_DATABASE_URL: z.string().regex(/^postgres(ql)?:\/\//),
  FEED_SCHEMAS: z.string().default('docs/events/schemas').describe('folder of the JSON Schemas'),
  FEED_CA_FILE: z.string().describe('certificate authority of the brokers (PEM)').optional(),
  FEED_CERT_FILE: z.string().describe('certificate of this client (PEM), for mutual TLS').optional(),
  FEED_KEY_FILE: z.string().optional(),
  FEED_SASL: z.enum(['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512']).default('SCRAM-SHA-512'),
  FEED_USERNAME: z.string().optional(),
  FEED_PASSWORD_FILE: z.string().describe('file that holds the password').optional(),
});

/** Settings from the environment. @throws Error with one sentence that names what is wrong */
export function readSettings(env: Readonly<Record<string, string | undefined>>): {
  readonly connection: FeedOptions['connection'];
  readonly topic: string;
  readonly group: string;
  readonly databaseUrl: string;
  readonly schemas: string;
} {
  const parsed = settings.safeParse(env);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new Error(`${issue?.path.join('.')}: ${issue?.message}`);
  }
  const s = parsed.data;
  return {
    connection: {
      bootstrapBrokers: s.FEED_BROKERS.split(','),
      timeout: REQUEST_MS_MAX,
      connectTimeout: CONNECT_MS_MAX,
      retries: 1, // the feed itself tries again for ever
      retryDelay: 100,
      ...(s.FEED_CA_FILE === undefined ? {} : { tls: tlsOf(s, s.FEED_CA_FILE), tlsServerName: true }),
      ...(s.FEED_USERNAME === undefined || s.FEED_PASSWORD_FILE === undefined
        ? {}
        : {
            sasl: {
              mechanism: s.FEED_SASL,
              username: s.FEED_USERNAME,
              password: readFileSync(s.FEED_PASSWORD_FILE, 'utf8').trim(),
            },
          }),
    },
    topic: s.FEED_TOPIC,
    group: s.FEED_GROUP,
    databaseUrl: s.FEED_DATABASE_URL,
    schemas: s.FEED_SCHEMAS,
  };
}

function tlsOf({ FEED_CERT_FILE: cert, FEED_KEY_FILE: key }: z.output<typeof settings>, ca: string) {
  return {
    ca: [readFileSync(ca, 'utf8')],
    ...(cert === undefined || key === undefined
      ? {}
      : { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') }),
  };
}
