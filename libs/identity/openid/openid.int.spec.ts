import { generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto';
import { importPKCS8, type JWK, SignJWT, UnsecuredJWT } from 'jose';
import pg from 'pg';
import { enrol, signIn, signInClient } from '../../../test/services/sign-in.js';
import {
  ask,
  authorization,
  authorizationCode,
  Browser,
  baseUrl,
  CLIENT,
  clock,
  created,
  database,
  department,
  keys,
  officer,
  operator,
  PASSWORD,
  postgres,
  redeem,
  startIdentity,
  stopIdentity,
  submit,
  totp,
  verifier,
} from './openid.fixture.js';

beforeAll(startIdentity);
afterAll(stopIdentity);

describe('a person', () => {
  test('signs in by authorization code, password and second factor, and is who the events say', async () => {
    const person = await officer();
    const session = await signIn(baseUrl, person);
    const me = await ask(await session.token(), 'GET', 'me');
    expect(me.status).toBe(200);
    expect(me.body).toMatchObject({ id: person.id, roles: ['department-officer'] });
    const events = [];
    for await (const { type } of postgres.readStream(`signIn-${person.id}`)) events.push(type);
    expect(events).toEqual(['SignInSucceeded']);
  });

  test('is refused with a wrong password, a wrong code and an unknown name, all told alike', async () => {
    const { username, password, totpSecret } = await officer();
    const good = totp(totpSecret, 1);
    const wrong = good === '000000' ? '000001' : '000000';
    const answers = [];
    for (const form of [
      { username, password: `${password}x`, totp: good },
      { username, password, totp: wrong },
      { username: 'nobody', password, totp: good },
    ]) {
      const { response } = await submit(form);
      answers.push([response.status, await response.text()]);
    }
    expect(new Set(answers.map(String)).size).toBe(1);
    expect(answers[0]![0]).toBe(401);
    // Control: the code that stood beside the wrong password and the unknown name is still good.
    expect((await submit({ username, password, totp: good })).response.status).toBe(303);
  });

  test('uses a one-time password once, also when it comes twice at the same moment', async () => {
    const { username, password, totpSecret } = await officer();
    const form = { username, password, totp: totp(totpSecret, 1) };
    const both = await Promise.all([submit(form), submit(form)]);
    expect(both.map(({ response }) => response.status).sort()).toEqual([303, 401]);
    expect((await submit(form)).response.status).toBe(401);
  });

  test('enrols once with a code: whoever stole it comes too late', async () => {
    const { code } = await officer();
    const again = await ask(undefined, 'POST', 'enrolments', { code, username: 'thief', password: PASSWORD });
    expect([again.status, again.body.code]).toEqual([403, 'identity.enrolment-refused']);
    const confirmed = await ask(undefined, 'POST', 'enrolments/confirmation', { code, totp: '000000' });
    expect(confirmed.status).toBe(403);
  });

  test('loses a role, and then everything, at the next request with the same token', async () => {
    const organisationId = await created('organisations', {
      kind: 'government',
      level: 'prefecture',
      division: '5201',
      name: '贵阳市人民政府',
    });
    const registered = await ask(await operator.token(), 'POST', 'people', { organisationId, name: '测试人员' });
    const { id, enrolmentCode } = registered.body as { id: string; enrolmentCode: string };
    const role = 'hub-operator';
    await ask(await operator.token(), 'POST', `people/${id}/roles`, { role });
    const enrolled = await enrol(baseUrl, enrolmentCode, `operator-${randomBytes(4).toString('hex')}`, PASSWORD);
    const token = await (await signIn(baseUrl, enrolled)).token();
    // Authorisation comes before validation: an operator is told what is missing, others nothing.
    expect((await ask(token, 'POST', 'organisations', {})).status).toBe(400);
    await ask(await operator.token(), 'DELETE', `people/${id}/roles/${role}`);
    expect((await ask(token, 'POST', 'organisations', {})).status).toBe(403);
    expect((await ask(token, 'GET', 'me')).status).toBe(200);
    await ask(await operator.token(), 'POST', `people/${id}/deactivation`, { reason: '离职' });
    expect((await ask(token, 'GET', 'me')).status).toBe(401);
  });
});

describe('the way of the code', () => {
  test('needs PKCE by SHA-256, the registered redirect and the code flow', async () => {
    const refused = async (change: Record<string, string | undefined>) => {
      const response = await new Browser().open(authorization(change));
      const location = response.headers.get('location');
      return location?.startsWith('/oidc/interaction/') === true ? 'let in' : 'refused';
    };
    expect(await refused({})).toBe('let in');
    expect(await refused({ code_challenge: undefined, code_challenge_method: undefined })).toBe('refused');
    expect(await refused({ code_challenge: verifier, code_challenge_method: 'plain' })).toBe('refused');
    expect(await refused({ redirect_uri: 'http://127.0.0.1:49152/elsewhere' })).toBe('refused');
    expect(await refused({ redirect_uri: 'https://example.org/callback' })).toBe('refused');
    expect(await refused({ response_type: 'id_token', nonce: 'n' })).toBe('refused');
    expect(await refused({ client_id: 'unknown' })).toBe('refused');
  });

  test('a code is good once, with its own verifier; used again it takes back what it gave', async () => {
    const good = await authorizationCode(await officer());
    const stolen = { ...good, code_verifier: randomBytes(32).toString('base64url') };
    expect((await redeem(stolen)).status).toBe(400);
    const first = await redeem(good);
    expect(first.status).toBe(200);
    const { refresh_token: token } = (await first.json()) as { refresh_token: string };
    expect((await redeem(good)).status).toBe(400);
    expect((await redeem({ grant_type: 'refresh_token', refresh_token: token })).status).toBe(400);
  });

  test.each([1, 2, 3, 4, 5])(
    'code and refresh token are good once also when they come many times at once (%s)',
    async () => {
      const atOnce = async (parameters: Record<string, string>) => {
        const answers = await Promise.all(Array.from({ length: 6 }, () => redeem(parameters)));
        return answers.filter(({ status }) => status === 200);
      };
      const person = await officer();
      expect(await atOnce(await authorizationCode(person))).toHaveLength(1);
      const other = (await (await redeem(await authorizationCode(await officer()))).json()) as {
        refresh_token: string;
      };
      expect(await atOnce({ grant_type: 'refresh_token', refresh_token: other.refresh_token })).toHaveLength(1);
    },
  );

  test('nothing that opens a door lies readable in the database', async () => {
    const pool = new pg.Pool({ connectionString: database.url, max: 1 });
    const stored = async () =>
      (await pool.query('SELECT a::text AS row FROM openid.artifact a')).rows.map(({ row }) => row);
    const good = await authorizationCode(await officer());
    const { refresh_token: refresh } = (await (await redeem(good)).json()) as { refresh_token: string };
    const rows = (await stored()).join();
    await pool.end();
    expect(rows.length).toBeGreaterThan(0);
    // Compared to a boolean: a failing expectation must not print what it found.
    const readable = [good.code!, refresh].filter((secret) =>
      [secret, Buffer.from(secret).toString('hex')].some((form) => rows.includes(form)),
    );
    expect(readable.length).toBe(0);
  });

  test('a refresh token is good once; used again it takes back the newer one', async () => {
    const first = (await (await redeem(await authorizationCode(await officer()))).json()) as { refresh_token: string };
    const refresh = (token: string) => redeem({ grant_type: 'refresh_token', refresh_token: token });
    const second = await refresh(first.refresh_token);
    expect(second.status).toBe(200);
    const { refresh_token: newer } = (await second.json()) as { refresh_token: string };
    expect((await refresh(first.refresh_token)).status).toBe(400);
    expect((await refresh(newer)).status).toBe(400);
  });

  test('the form works only in the browser that began it, and runs no script', async () => {
    const browser = new Browser();
    const page = new URL((await browser.open(authorization())).headers.get('location')!, baseUrl);
    const shown = await browser.open(page);
    expect(shown.status).toBe(200);
    expect(shown.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(await shown.text()).not.toContain('<script');
    expect((await new Browser().open(page)).status).toBe(410);
    const { username, password, totpSecret } = await officer();
    const form = { username, password, totp: totp(totpSecret, 1) };
    expect((await new Browser().open(page, form)).status).toBe(410);
    expect((await browser.open(page, form)).status).toBe(303);
  });
});

describe('a token', () => {
  const claims = async () => {
    const { id } = await officer();
    const now = Math.floor(Date.now() / 1_000);
    return {
      iss: `${baseUrl}/oidc`,
      aud: 'urn:mingjing:hub',
      sub: id,
      client_id: CLIENT,
      iat: now,
      exp: now + 60,
      auth_time: now,
      jti: randomUUID(),
    };
  };
  const own = () => {
    const { privateKey, kid } = keys.signingKey('openid');
    return { key: privateKey, header: { alg: 'EdDSA', kid, typ: 'at+jwt' } };
  };
  const meBy = async (token: string) => (await ask(token, 'GET', 'me')).status;

  test('forged in any part is refused; control: the same token unforged is taken', async () => {
    const { key, header } = own();
    const good = await claims();
    const sign = (change: object, head: object = {}, by: Parameters<SignJWT['sign']>[0] = key) =>
      new SignJWT({ ...good, ...change }).setProtectedHeader({ ...header, ...head }).sign(by);
    expect(await meBy(await sign({}))).toBe(200);

    const stranger = generateKeyPairSync('ed25519').privateKey;
    const publicPem = keys.signingKey('openid').publicKey.export({ type: 'spki', format: 'pem' });
    const symmetric = new TextEncoder().encode(String(publicPem));
    const forged = {
      'no signature': new UnsecuredJWT(good).encode(),
      'another key under the same kid': await sign({}, {}, stranger),
      'another key with itself in the header': await sign({}, { jwk: { kty: 'OKP' }, kid: 'mine' }, stranger),
      'HS256 with the public key as secret': await sign({}, { alg: 'HS256' }, symmetric),
      'another audience': await sign({ aud: 'urn:another:hub' }),
      'another issuer': await sign({ iss: 'https://example.org/oidc' }),
      expired: await sign({ iat: good.iat - 600, exp: good.iat - 10 }),
      'no expiry': await sign({ exp: undefined }),
      'an ID token': await sign({}, { typ: 'JWT' }),
      'an unknown holder': await sign({ sub: randomUUID() }),
      'a person without a time of authentication': await sign({ auth_time: undefined }),
      'a person as client': await sign({ client_id: good.sub }),
      'bound to a key that is not shown': await sign({ cnf: { jkt: 'x' } }),
    };
    for (const [how, token] of Object.entries(forged)) expect([how, await meBy(token)]).toEqual([how, 401]);
    const [head, body, signature] = (await sign({})).split('.');
    const other = Buffer.from(JSON.stringify({ ...good, sub: randomUUID() })).toString('base64url');
    expect(await meBy(`${head}.${other}.${signature}`)).toBe(401);
    expect(body).toBeDefined();
  });

  test('is the only way in: no header, cookie or parameter stands for one', async () => {
    const token = await operator.token();
    const attempts: RequestInit[] = [
      {},
      { headers: { authorization: `Basic ${Buffer.from(`operator:${PASSWORD}`).toString('base64')}` } },
      { headers: { authorization: token } },
      { headers: { cookie: `_session=${token}; access_token=${token}` } },
      { headers: { 'x-forwarded-user': 'operator', 'x-remote-user': 'operator', 'x-real-ip': '127.0.0.1' } },
    ];
    for (const attempt of attempts) expect((await fetch(`${baseUrl}/api/v1/me`, attempt)).status).toBe(401);
    expect((await fetch(`${baseUrl}/api/v1/me?access_token=${token}`)).status).toBe(401);
  });
});

describe('an API client', () => {
  const pair = () => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const kid = randomUUID();
    return {
      privateJwk: { ...privateKey.export({ format: 'jwk' }), kid } as JWK,
      jwks: { keys: [{ ...publicKey.export({ format: 'jwk' }), alg: 'EdDSA', use: 'sig', kid }] },
      pem: String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
    };
  };
  const registered = async (jwks: object) =>
    created('api-clients', {
      organisationId: department,
      name: '治超系统',
      contactPersonId: (await officer()).id,
      jwks,
    });

  test('comes in with its own key only, until its keys are replaced or it is deactivated', async () => {
    const [mine, other] = [pair(), pair()];
    const id = await registered(mine.jwks);
    const session = await signInClient(baseUrl, id, mine.privateJwk);
    const token = await session.token();
    expect((await ask(token, 'GET', 'me')).body).toMatchObject({ id, kind: 'client' });
    await expect(signInClient(baseUrl, id, other.privateJwk)).rejects.toThrow('invalid_client');

    await ask(await operator.token(), 'PUT', `api-clients/${id}/keys`, { jwks: other.jwks });
    await expect(signInClient(baseUrl, id, mine.privateJwk)).rejects.toThrow('invalid_client');
    await signInClient(baseUrl, id, other.privateJwk);

    await ask(await operator.token(), 'POST', `api-clients/${id}/deactivation`, { reason: '停用' });
    expect((await ask(token, 'GET', 'me')).status).toBe(401);
    await expect(signInClient(baseUrl, id, other.privateJwk)).rejects.toThrow('invalid_client');
  });

  test('proves itself with an assertion once; a shared secret or none is not enough', async () => {
    const { pem, jwks } = pair();
    const id = await registered(jwks);
    const assertion = await new SignJWT({})
      .setProtectedHeader({ alg: 'EdDSA' })
      .setIssuer(id)
      .setSubject(id)
      .setAudience(`${baseUrl}/oidc`)
      .setJti(randomUUID())
      .setIssuedAt()
      .setExpirationTime('60s')
      .sign(await importPKCS8(pem, 'EdDSA'));
    const proved = {
      grant_type: 'client_credentials',
      client_id: id,
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: assertion,
    };
    const answers = await Promise.all(Array.from({ length: 6 }, () => redeem(proved)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect((await redeem(proved)).status).toBe(401);
    const bare = { grant_type: 'client_credentials', client_id: id };
    expect((await redeem(bare)).status).toBe(401);
    expect((await redeem({ ...bare, client_secret: 'secret' })).status).toBe(401);
    expect((await redeem({ grant_type: 'client_credentials' })).status).toBe(400);
  });

  test('registers no private key', async () => {
    const { privateJwk } = pair();
    const answer = await ask(await operator.token(), 'POST', 'api-clients', {
      organisationId: department,
      name: '治超系统',
      contactPersonId: (await officer()).id,
      jwks: { keys: [privateJwk] },
    });
    expect(answer.status).toBe(400);
    expect(JSON.stringify(answer.body)).not.toContain(String(privateJwk.d));
  });
});

/** When the lock of the newest failure on record ends, ms since the epoch; 0 when it locked nothing. */
async function lockedUntil(personId: string): Promise<number> {
  for await (const { data } of postgres.readStream(`signIn-${personId}`, { direction: 'backwards', limit: 1 })) {
    const { lockedUntil: until } = data as { lockedUntil?: string };
    return until === undefined ? 0 : Date.parse(until);
  }
  return 0;
}

test('whoever guesses is locked out for longer each time, also with the right password, and the record says so', async () => {
  const { id, username, password, totpSecret } = await officer();
  try {
    // Each time the lock is over, one guess more, until the lock is long enough to try what is right under it.
    let until = 0;
    for (let guess = 0; until - clock.now() < 20_000; guess += 1) {
      expect(guess).toBeLessThan(12);
      clock.skewMs += Math.max(0, until - clock.now() + 1);
      await submit({ username, password: `guess-${guess}-guess`, totp: '000000' });
      until = await lockedUntil(id);
    }
    const locked = await submit({ username, password, totp: totp(totpSecret, 1) });
    expect(locked.response.status).toBe(401);
    clock.skewMs += until - clock.now() + 1_000;
    const free = await submit({ username, password, totp: totp(totpSecret, 1) });
    expect(free.response.status).toBe(303);
  } finally {
    clock.skewMs = 0;
  }
});

test('a new enrolment ends what was signed in before it', async () => {
  const person = await officer();
  const before = await signIn(baseUrl, person);
  const token = await before.token();
  const renewal = await ask(await operator.token(), 'POST', `people/${person.id}/enrolment`);
  expect((await ask(token, 'GET', 'me')).status).toBe(200);
  clock.skewMs += 1_500;
  const code = String(renewal.body.enrolmentCode);
  await enrol(baseUrl, code, `again-${randomBytes(4).toString('hex')}`, PASSWORD);
  expect((await ask(token, 'GET', 'me')).status).toBe(401);
  clock.skewMs = 0;
});
