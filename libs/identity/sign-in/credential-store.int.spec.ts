import pg from 'pg';
import { migrateEventStore } from '#libs/event-store';
import { ManualClock, newId, Refusal } from '#libs/kernel';
import { type FreshDatabase, freshDatabase } from '../../../test/services/postgres.js';
import { identityRefusals } from '../identity.refusals.js';
import { PostgresCredentialStore } from './postgres-credential-store.js';
import { type SignInFailure, SignInJournal } from './sign-in-journal.js';
import { totpAt, totpStep } from './totp.js';

const AT = '2026-03-01T02:00:00.000Z';
const PASSWORD = '高山流水-mirror-2026';
const HOUR_MS = 3_600_000;
const SECRET = new Uint8Array(32).fill(5);

/** Remembers what would be on record; can be made to fail as a store does that is down. */
class MemoryJournal extends SignInJournal {
  readonly entries: [person: string, what: string][] = [];
  readonly deactivated = new Set<string>();
  down = false;

  override async enrolled(personId: string): Promise<void> {
    if (this.deactivated.has(personId)) throw identityRefusals['identity.deactivated']('deactivated');
    this.#add(personId, 'enrolled');
  }

  override async succeeded(personId: string): Promise<boolean> {
    const active = !this.deactivated.has(personId);
    this.#add(personId, active ? 'succeeded' : 'deactivated');
    return active;
  }

  override async failed(personId: string, { reason, lockedUntil }: SignInFailure): Promise<void> {
    this.#add(personId, lockedUntil === undefined ? reason : `${reason}, locked`);
  }

  of(personId: string): string[] {
    return this.entries.filter(([person]) => person === personId).map(([, what]) => what);
  }

  #add(personId: string, what: string): void {
    if (this.down) throw new Error('the event store is down');
    this.entries.push([personId, what]);
  }
}

describe('credentials of people, on PostgreSQL', () => {
  const clock = new ManualClock(AT);
  let database: FreshDatabase;
  let journal: MemoryJournal;
  let store: PostgresCredentialStore;
  let serial = 0;

  beforeAll(async () => {
    database = await freshDatabase();
    await migrateEventStore(database.ownerUrl, database.serviceRole);
    journal = new MemoryJournal();
    store = new PostgresCredentialStore(database.url, SECRET, clock, journal);
    await store.onModuleInit();
  });
  afterAll(async () => {
    await store.onApplicationShutdown();
    await database.drop();
  });
  // A step of their own for each test, since a code is good once.
  beforeEach(() => clock.advance(120_000));

  const secretOf = (base32: string) => {
    const bits = [...base32].map((c) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0'));
    return Buffer.from(
      bits
        .join('')
        .match(/.{8}/g)!
        .map((byte) => Number.parseInt(byte, 2)),
    );
  };
  const codeAt = (totpSecret: string, steps = 0) => totpAt(secretOf(totpSecret), totpStep(clock.now()) + steps);
  const enrolled = async () => {
    serial += 1;
    const personId = newId();
    const username = `officer-${serial}`;
    const code = await store.issueEnrolment(personId);
    const { totpSecret } = await store.begin(code, username, PASSWORD);
    expect(await store.confirm(code, codeAt(totpSecret))).toBe(personId);
    clock.advance(60_000);
    return { personId, username, code, totpSecret, totp: (steps = 0) => codeAt(totpSecret, steps) };
  };
  const refusal = async (attempt: Promise<unknown>): Promise<Refusal> => {
    const error = await attempt.then(
      () => new Error('it was let through'),
      (reason: unknown) => reason,
    );
    if (!(error instanceof Refusal)) throw error;
    return error;
  };
  /** Everything that the person at the door learns. */
  const answer = async (attempt: Promise<unknown>) => {
    const { code, detail, facts, rules, events } = await refusal(attempt);
    return { code, detail, facts, rules, events };
  };

  test('a person signs in with name, password and code, however the name is typed, and it is on record', async () => {
    const { personId, username, totp } = await enrolled();
    await expect(store.verify(`  ${username.toUpperCase()} `, PASSWORD, totp())).resolves.toEqual({ personId });
    expect(journal.of(personId)).toEqual(['enrolled', 'succeeded']);
  });

  test('a code is good once, also when it comes again at the next step', async () => {
    const { username, totp } = await enrolled();
    const code = totp();
    await store.verify(username, PASSWORD, code);
    expect((await refusal(store.verify(username, PASSWORD, code))).code).toBe('identity.sign-in-refused');
    clock.advance(30_000);
    expect((await refusal(store.verify(username, PASSWORD, code))).code).toBe('identity.sign-in-refused');
    // Control: the next code is taken.
    await store.verify(username, PASSWORD, totp());
  });

  test('a code that comes several times at the same moment lets one in', async () => {
    const { username, totp } = await enrolled();
    const code = totp();
    const all = await Promise.allSettled(Array.from({ length: 4 }, () => store.verify(username, PASSWORD, code)));
    expect(all.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  test('the code that confirmed the enrolment does not sign in too', async () => {
    const personId = newId();
    const code = await store.issueEnrolment(personId);
    const { totpSecret } = await store.begin(code, 'confirmed-with-it', PASSWORD);
    const used = codeAt(totpSecret);
    await store.confirm(code, used);
    expect((await refusal(store.verify('confirmed-with-it', PASSWORD, used))).code).toBe('identity.sign-in-refused');
  });

  test('whatever is wrong, the answer is the same', async () => {
    const { personId, username, totp } = await enrolled();
    const wrong = [
      await answer(store.verify('nobody-has-this-name', PASSWORD, totp())),
      await answer(store.verify(username, 'another password', totp())),
      await answer(store.verify(username, PASSWORD, '000000')),
      await answer(store.verify(username, PASSWORD, totp(2))),
    ];
    for (let more = 0; more < 3; more += 1) wrong.push(await answer(store.verify(username, 'x', totp())));
    expect(journal.of(personId).at(-1)).toBe('password, locked');
    wrong.push(await answer(store.verify(username, PASSWORD, totp())));
    journal.deactivated.add(personId);
    clock.advance(HOUR_MS);
    wrong.push(await answer(store.verify(username, PASSWORD, totp())));
    expect(journal.of(personId).at(-1)).toBe('deactivated');
    expect(new Set(wrong.map((w) => JSON.stringify(w))).size).toBe(1);
  });

  test('five failures are free; each further one doubles the wait, up to a quarter of an hour', async () => {
    const { personId, username, totp } = await enrolled();
    const fail = () => refusal(store.verify(username, 'wrong password', '000000'));
    for (let attempt = 1; attempt <= 4; attempt += 1) await fail();
    expect(journal.of(personId)).toEqual(['enrolled', ...Array(4).fill('password')]);
    await fail();
    // Locked now: the right answer is refused, counts nothing and is not recorded.
    const recorded = journal.of(personId).length;
    await refusal(store.verify(username, PASSWORD, totp()));
    expect(journal.of(personId)).toHaveLength(recorded);
    clock.advance(1_000);
    await fail();
    clock.advance(1_999);
    await refusal(store.verify(username, PASSWORD, totp()));
    clock.advance(1);
    for (let attempt = 0; attempt < 9; attempt += 1) {
      await fail();
      clock.advance(15 * 60_000);
    }
    // After any number of failures a quarter of an hour is enough, and success forgives them all.
    await store.verify(username, PASSWORD, totp());
    clock.advance(30_000);
    await fail();
    await store.verify(username, PASSWORD, totp());
  });

  test('guessing many at the same moment gains no more than the free attempts', async () => {
    const { personId, username } = await enrolled();
    await Promise.all(Array.from({ length: 12 }, () => refusal(store.verify(username, 'wrong password', '000000'))));
    expect(journal.of(personId).filter((what) => what.startsWith('password'))).toHaveLength(5);
  });

  test('more at once than can wait are turned away, not queued without end', async () => {
    const attempts = Array.from({ length: 20 }, () => refusal(store.verify('nobody-at-all', PASSWORD, '000000')));
    const codes = (await Promise.all(attempts)).map(({ code }) => code);
    expect(codes.filter((code) => code === 'identity.too-many-sign-ins')).toHaveLength(2);
  });

  test('an enrolment code is good for one enrolment, for a day, and until the next one is issued', async () => {
    const { code: used } = await enrolled();
    const expired = await store.issueEnrolment(newId());
    const person = newId();
    const replaced = await store.issueEnrolment(person);
    const fresh = await store.issueEnrolment(person);
    await store.begin(fresh, 'still-good-name', PASSWORD);
    const late = await store.issueEnrolment(newId());
    await store.begin(late, 'begun-in-time', PASSWORD);
    clock.advance(24 * HOUR_MS);
    const answers = [];
    for (const code of [used, expired, replaced, 'AAAA-AAAA-AAAA-AAAA-AAAA-AAAA', '']) {
      answers.push(
        await answer(store.begin(code, 'somebody-new', PASSWORD)),
        await answer(store.confirm(code, '000000')),
      );
    }
    answers.push(await answer(store.confirm(late, '000000')));
    expect(new Set(answers.map((a) => JSON.stringify(a))).size).toBe(1);
    expect(answers[0]).toMatchObject({ code: 'identity.enrolment-refused' });
  });

  test('an enrolment may be begun again until confirmed; only what was begun last counts', async () => {
    const personId = newId();
    const code = await store.issueEnrolment(personId);
    expect((await refusal(store.confirm(code, '000000'))).code).toBe('identity.enrolment-refused');
    const first = await store.begin(code, 'first-choice', PASSWORD);
    const second = await store.begin(code.toLowerCase().replaceAll('-', ' '), 'second-choice', PASSWORD);
    expect((await refusal(store.confirm(code, codeAt(first.totpSecret)))).code).toBe('identity.enrolment-refused');
    expect(await store.isEnrolled(personId)).toBe(false);
    await store.confirm(code, codeAt(second.totpSecret));
    expect(await store.isEnrolled(personId)).toBe(true);
    clock.advance(30_000);
    await refusal(store.verify('first-choice', PASSWORD, codeAt(second.totpSecret)));
    await store.verify('second-choice', PASSWORD, codeAt(second.totpSecret));
  });

  test('a confirmation that comes twice at the same moment enrols once', async () => {
    const personId = newId();
    const code = await store.issueEnrolment(personId);
    const { totpSecret } = await store.begin(code, 'twice-at-once', PASSWORD);
    const both = await Promise.allSettled([1, 2].map(() => store.confirm(code, codeAt(totpSecret))));
    expect(both.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(journal.of(personId)).toEqual(['enrolled']);
  });

  test('enrolling anew replaces password and second factor, and lets the locked-out in again', async () => {
    const old = await enrolled();
    for (let attempt = 0; attempt < 5; attempt += 1) await refusal(store.verify(old.username, 'wrong', '000000'));
    const code = await store.issueEnrolment(old.personId);
    const { totpSecret } = await store.begin(code, old.username, 'a new and longer one');
    await store.confirm(code, codeAt(totpSecret));
    clock.advance(60_000);
    await refusal(store.verify(old.username, PASSWORD, old.totp()));
    await expect(store.verify(old.username, 'a new and longer one', codeAt(totpSecret))).resolves.toEqual({
      personId: old.personId,
    });
  });

  test('a user name belongs to one person, also when two choose it before either confirms', async () => {
    const [a, b] = [await store.issueEnrolment(newId()), await store.issueEnrolment(newId())];
    const first = await store.begin(a, 'Wanted', PASSWORD);
    const second = await store.begin(b, ' wanted', PASSWORD);
    await store.confirm(a, codeAt(first.totpSecret));
    expect((await refusal(store.confirm(b, codeAt(second.totpSecret)))).code).toBe('identity.user-name-taken');
    expect((await refusal(store.begin(b, 'WANTED', PASSWORD))).code).toBe('identity.user-name-taken');
    await store.confirm(b, codeAt((await store.begin(b, 'wanted-2', PASSWORD)).totpSecret));
  });

  test.each([
    ['short', 'eleven-char'],
    ['with the user name', 'xx Tester-7 xx yy'],
  ])('a password is not %s', async (_, password) => {
    const code = await store.issueEnrolment(newId());
    expect((await refusal(store.begin(code, 'tester-7', password))).code).toBe('identity.weak-password');
  });

  test('what cannot be put on record lets nobody in', async () => {
    const { username, totp } = await enrolled();
    const personId = newId();
    const code = await store.issueEnrolment(personId);
    const { totpSecret } = await store.begin(code, 'not-on-record', PASSWORD);
    journal.down = true;
    await expect(store.verify(username, PASSWORD, totp())).rejects.toThrow('the event store is down');
    await expect(store.confirm(code, codeAt(totpSecret))).rejects.toThrow('the event store is down');
    journal.down = false;
    expect(await store.isEnrolled(personId)).toBe(false);
    await store.confirm(code, codeAt(totpSecret));
  });

  test('neither names nor passwords, codes or secrets stand in the database', async () => {
    const { username, totpSecret, code } = await enrolled();
    const pending = await store.issueEnrolment(newId());
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    const { rows } = await client.query(
      `SELECT c::text || encode(name_mac, 'escape') || encode(totp_sealed, 'escape') AS text FROM sign_in.credential c
       UNION ALL SELECT e::text || encode(code_mac, 'escape') FROM sign_in.enrolment e`,
    );
    await client.end();
    const all = rows.map(({ text }) => text).join('\n');
    const clear = [username, PASSWORD, totpSecret, secretOf(totpSecret).toString('hex'), code, pending];
    for (const secret of clear) expect(all).not.toContain(secret);
    expect(all).toContain('scrypt$15$8$3$');
  });

  test('a lost key folder is a clear failure at start', async () => {
    const other = new PostgresCredentialStore(database.url, new Uint8Array(32).fill(6), clock, journal);
    await expect(other.onModuleInit()).rejects.toMatchObject({ code: 'vault.key-lost' });
    await other.onApplicationShutdown();
  });
});
