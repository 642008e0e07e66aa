import { createHash, randomBytes } from 'node:crypto';

/** What a source asks for before it sends. */
export interface SourceCredentials {
  readonly username: string;
  readonly password: string;
}

interface Challenge {
  readonly scheme: 'basic' | 'digest';
  readonly parameters: Readonly<Record<string, string>>;
}

const CHALLENGES_MAX = 8;
const NAME = { MD5: 'md5', 'SHA-256': 'sha256' } as const;

/**
 * Answers the challenges of RTSP and HTTP servers: Digest with SHA-256 or MD5 (RFC 7616), else Basic (RFC 7617).
 * Basic gives the password away to whoever listens, so it is used only where the server knows nothing else.
 */
export class SourceAuthorization {
  #challenge: Challenge | undefined;
  #count = 0;

  constructor(private readonly credentials: SourceCredentials) {}

  /** Takes the WWW-Authenticate headers of a 401. @returns whether one of them can be answered */
  challenged(headers: readonly string[]): boolean {
    const challenges = headers.slice(0, CHALLENGES_MAX).flatMap(readChallenge);
    this.#challenge = ['SHA-256', 'MD5', 'basic']
      .map((kind) => challenges.find((c) => (c.scheme === 'basic' ? 'basic' : algorithmOf(c)) === kind))
      .find((challenge) => challenge !== undefined);
    this.#count = 0;
    return this.#challenge !== undefined;
  }

  /** Value of the Authorization header of a request; undefined before a challenge. */
  header(method: string, uri: string): string | undefined {
    if (this.#challenge === undefined) return undefined;
    const { username, password } = this.credentials;
    const { scheme, parameters } = this.#challenge;
    if (scheme === 'basic') return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
    const { realm = '', nonce = '', opaque, algorithm, qop } = parameters;
    const name = NAME[algorithmOf(this.#challenge)!];
    const hash = (text: string) => createHash(name).update(text).digest('hex');
    const [who, what] = [hash(`${username}:${realm}:${password}`), hash(`${method}:${uri}`)];
    const fields = [`username="${quote(username)}"`, `realm="${realm}"`, `nonce="${nonce}"`, `uri="${uri}"`];
    if (qop === undefined) {
      fields.push(`response="${hash(`${who}:${nonce}:${what}`)}"`);
    } else {
      this.#count += 1;
      const nc = this.#count.toString(16).padStart(8, '0');
      const cnonce = randomBytes(16).toString('hex');
      fields.push(`response="${hash(`${who}:${nonce}:${nc}:${cnonce}:auth:${what}`)}"`);
      fields.push('qop=auth', `nc=${nc}`, `cnonce="${cnonce}"`);
    }
    if (algorithm !== undefined) fields.push(`algorithm=${algorithm}`);
    if (opaque !== undefined) fields.push(`opaque="${opaque}"`);
    return `Digest ${fields.join(', ')}`;
  }
}

/** A challenge that can be answered, out of one header. */
function readChallenge(header: string): Challenge[] {
  const [, scheme = '', rest = ''] = /^\s*(basic|digest)(?:\s+([^\r\n]{0,2000}))?$/i.exec(header) ?? [];
  if (scheme === '') return [];
  const parameters: Record<string, string> = {};
  for (const [, name, quoted, token] of rest.matchAll(/([a-z]{1,20})\s*=\s*(?:"([^"]{0,500})"|([^\s,"]{1,100}))/gi)) {
    parameters[name!.toLowerCase()] = quoted ?? token!;
  }
  const challenge = { scheme: scheme.toLowerCase() as Challenge['scheme'], parameters };
  if (challenge.scheme === 'basic') return [challenge];
  const { nonce, qop } = parameters;
  const answerable = nonce !== undefined && (qop === undefined || qop.split(/\s*,\s*/).includes('auth'));
  return answerable && algorithmOf(challenge) !== undefined ? [challenge] : [];
}

function algorithmOf({ parameters }: Challenge): keyof typeof NAME | undefined {
  const algorithm = (parameters.algorithm ?? 'MD5').toUpperCase();
  return algorithm === 'MD5' || algorithm === 'SHA-256' ? algorithm : undefined;
}

const quote = (text: string) => text.replace(/["\\]/g, '\\$&');
