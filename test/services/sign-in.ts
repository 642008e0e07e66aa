import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { importJWK, type JWK, SignJWT } from 'jose';
import { generate } from 'otplib';

const CLIENT = 'mingjing-cli';
const REDIRECT = 'http://127.0.0.1:49152/callback';
const STEP_MS = 30_000;

/** What a person keeps after enrolling: password in the head, secret in the authenticator application. */
export interface Enrolled {
  readonly username: string;
  readonly password: string;
  readonly totpSecret: string;
}

/** A signed-in person's tokens, renewed as they run out. */
export interface SignedIn {
  token(): Promise<string>;
}

/** Last time step whose code each secret has used: a code is good once. */
const usedSteps = new Map<string, number>();

/** The next unused code; waits for the next step when the current one and its successor are used up. */
async function nextCode(secret: string): Promise<string> {
  for (;;) {
    const now = Math.floor(Date.now() / STEP_MS);
    const step = Math.max(now, (usedSteps.get(secret) ?? 0) + 1);
    // The server takes the step after the present one too.
    if (step <= now + 1) {
      usedSteps.set(secret, step);
      return generate({ secret, epoch: (step * STEP_MS) / 1_000 });
    }
    await sleep(1_000);
  }
}

async function postJson(url: string, body: unknown): Promise<Record<string, string>> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`POST ${url} answered ${response.status}: ${text}`);
  return text === '' ? {} : JSON.parse(text);
}

/** Enrols with a one-time code, as a person does at first. */
export async function enrol(baseUrl: string, code: string, username: string, password: string): Promise<Enrolled> {
  const { totpSecret } = await postJson(`${baseUrl}/api/v1/enrolments`, { code, username, password });
  if (totpSecret === undefined) throw new Error('the enrolment gave no second factor');
  await postJson(`${baseUrl}/api/v1/enrolments/confirmation`, { code, totp: await nextCode(totpSecret) });
  return { username, password, totpSecret };
}

/** Signs in by authorization code with PKCE, filling in the form as a browser would. */
export async function signIn(baseUrl: string, person: Enrolled): Promise<SignedIn> {
  const verifier = randomBytes(32).toString('base64url');
  const jar = new Map<string, string>();
  const follow = async (url: URL, form?: Record<string, string>): Promise<URL | string> => {
    const response = await fetch(url, {
      redirect: 'manual',
      headers: { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; ') },
      ...(form === undefined ? {} : { method: 'POST', body: new URLSearchParams(form) }),
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie)!;
      jar.set(name!, value!);
    }
    const location = response.headers.get('location');
    return location === null ? await response.text() : new URL(location, url);
  };
  const authorize = new URL(`${baseUrl}/oidc/auth`);
  authorize.search = new URLSearchParams({
    client_id: CLIENT,
    response_type: 'code',
    redirect_uri: REDIRECT,
    scope: 'openid offline_access hub',
    prompt: 'login',
    state: randomBytes(8).toString('hex'),
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  }).toString();
  let at = await follow(authorize);
  for (let hop = 0; hop < 8 && at instanceof URL && !at.href.startsWith(REDIRECT); hop += 1) {
    const form = at.pathname.startsWith('/oidc/interaction/');
    const { username, password, totpSecret } = person;
    at = await follow(at, form ? { username, password, totp: await nextCode(totpSecret) } : undefined);
  }
  const code = at instanceof URL ? at.searchParams.get('code') : null;
  if (code === null) throw new Error(`signing in as ${person.username} did not succeed: ${String(at).slice(0, 300)}`);
  const first = { grant_type: 'authorization_code', code, redirect_uri: REDIRECT, code_verifier: verifier };
  return renewing(baseUrl, (refresh) => ({
    client_id: CLIENT,
    ...(refresh === undefined ? first : { grant_type: 'refresh_token', refresh_token: refresh }),
  }));
}

/** Tokens of an API client by `private_key_jwt` (RFC 7523). */
export async function signInClient(baseUrl: string, clientId: string, privateJwk: JWK): Promise<SignedIn> {
  const key = await importJWK(privateJwk, 'EdDSA');
  return renewing(baseUrl, async () => ({
    grant_type: 'client_credentials',
    scope: 'hub',
    client_id: clientId,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: await new SignJWT({})
      .setProtectedHeader({ alg: 'EdDSA' })
      .setIssuer(clientId)
      .setSubject(clientId)
      .setAudience(`${baseUrl}/oidc`)
      .setJti(randomBytes(16).toString('hex'))
      .setIssuedAt()
      .setExpirationTime('60s')
      .sign(key),
  }));
}

type TokenRequest = (refreshToken?: string) => Record<string, string> | Promise<Record<string, string>>;

async function renewing(baseUrl: string, request: TokenRequest): Promise<SignedIn> {
  let accessToken = '';
  let refreshToken: string | undefined;
  let goodUntil = 0;
  const renew = async () => {
    const response = await fetch(`${baseUrl}/oidc/token`, {
      method: 'POST',
      body: new URLSearchParams(await request(refreshToken)),
    });
    const body = (await response.json()) as { access_token: string; refresh_token?: string; expires_in: number };
    if (!response.ok) throw new Error(`no token: ${JSON.stringify(body)}`);
    accessToken = body.access_token;
    refreshToken = body.refresh_token ?? refreshToken;
    goodUntil = Date.now() + (body.expires_in - 60) * 1_000;
  };
  await renew();
  return {
    token: async () => {
      if (Date.now() >= goodUntil) await renew();
      return accessToken;
    },
  };
}
