import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { catalogue } from '#libs/catalogue';
import {
  type EventStore,
  type EventToAppend,
  MemoryEventStore,
  type RecordedEvent,
  withCatalogue,
} from '#libs/event-store';
import { categoryOf, type EventMetadata, newId } from '#libs/kernel';
import { EventDivisions, liesIn } from '#libs/regulation';
import { CONCERNS } from './concerns.js';
import { recipientsOf, routes, SOMEBODY } from './routes.js';
import { bureauTopic, departmentTopic } from './topics.js';

const sampleOf = (type: string): unknown => {
  const file = `${type}.v${catalogue.get(type).version}.json`;
  return JSON.parse(readFileSync(join(import.meta.dirname, '../../test/contract/samples', file), 'utf8'));
};

const ORGANISATIONS = [
  { name: '贵州省公安厅', kind: 'public-security-organ', level: 'province', division: '52' },
  { name: '贵阳市公安局南明分局', kind: 'public-security-organ', level: 'county', division: '520102' },
  { name: '遵义市公安局', kind: 'public-security-organ', level: 'prefecture', division: '5203' },
  { name: '贵阳市交通委员会', kind: 'administrative-department', level: 'prefecture', division: '5201' },
  { name: '遵义市应急管理局', kind: 'administrative-department', level: 'prefecture', division: '5203' },
  { name: '贵阳站管理单位', kind: 'managing-unit', level: 'county', division: '520102' },
  { name: '赤水车站管理单位', kind: 'managing-unit', level: 'county', division: '520381' },
].map((organisation) => ({ ...organisation, id: newId() }));
const PEOPLE = ORGANISATIONS.flatMap(({ id: employer }) => [
  { id: newId(), employer },
  { id: newId(), employer },
]);
const CAMERAS = ['520102', '520381'].flatMap((division, i) => [
  { id: newId(), division, custodian: ORGANISATIONS[5 + i]!.id },
  { id: newId(), division, custodian: ORGANISATIONS[5 + i]!.id },
]);
type Person = (typeof PEOPLE)[number];

/** Copies a sample with other ids: `fixed` by name of the field, for all others any that `any` gives. */
function withIds(value: unknown, fixed: Readonly<Record<string, unknown>>, any: () => string, field = ''): unknown {
  if (field in fixed) return fixed[field];
  if (typeof value === 'string') return /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/.test(value) ? any() : value;
  if (Array.isArray(value)) return value.map((item) => withIds(item, fixed, any));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, withIds(item, fixed, any, name)]));
}

interface Told {
  readonly position: bigint;
  /** Whom the event concerns, known from how it was made up. */
  readonly concerns: readonly string[];
}

class Story {
  readonly store: EventStore = withCatalogue(new MemoryEventStore(), catalogue);
  readonly told: Told[] = [];

  async tell(stream: string, type: string, data: unknown, by: Person, concerns: readonly string[]): Promise<void> {
    const metadata: EventMetadata = {
      actor: { kind: 'person', id: by.id, organisationId: by.employer, role: 'department-officer' },
      occurredAt: '2026-03-01T08:00:00.000Z',
      rules: [],
      correlationId: 'c'.repeat(32),
      commandId: 'command',
      fingerprint: 'fingerprint',
      traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
    };
    const event: EventToAppend = { id: newId(), type, version: catalogue.get(type).version, data, metadata };
    const { position } = await this.store.append([{ stream, expected: 'any', events: [event] }]);
    this.told.push({ position, concerns });
  }

  /** Organisations, their people and cameras are there before anything else happens. */
  async begin(): Promise<void> {
    const [first] = PEOPLE;
    for (const { id, ...data } of ORGANISATIONS) {
      await this.tell(`organisation-${id}`, 'OrganisationRegistered', data, first!, [id]);
    }
    for (const { id, employer } of PEOPLE) {
      const data = { ...(sampleOf('PersonRegistered') as object), organisationId: employer };
      await this.tell(`person-${id}`, 'PersonRegistered', data, first!, [employer]);
    }
    for (const { id, division, custodian } of CAMERAS) {
      const data = { ...(sampleOf('CameraRegistered') as object), division, managingUnitId: custodian };
      await this.tell(`camera-${id}`, 'CameraRegistered', data, first!, [custodian]);
    }
  }

  async events(): Promise<RecordedEvent[]> {
    const events: RecordedEvent[] = [];
    for await (const event of this.store.readAll(0n)) events.push(event);
    return events;
  }
}

/** Whose the events of a category are, said a second time and in other words than {@link CONCERNS}. */
const OWNER: Readonly<Record<string, 'organisation' | 'camera' | 'none'>> = {
  ...{ site: 'organisation', videoSystem: 'organisation', connection: 'organisation', apiClient: 'organisation' },
  ...{ accessRequest: 'organisation', grant: 'organisation', retrievalSession: 'organisation' },
  ...{ playback: 'organisation', clipDecision: 'organisation', clip: 'organisation', person: 'organisation' },
  ...{ gbDevice: 'camera', cameraFeed: 'camera', recording: 'camera' },
  ...{ signIn: 'none', auditReading: 'none', personalData: 'none' },
};
const NEVER = new Set(['EnrolmentIssued', 'SignInEnrolled']);
const categories = Object.keys(OWNER);

const step = fc.record({
  category: fc.constantFrom(...categories),
  owner: fc.constantFrom(...ORGANISATIONS.map(({ id }) => id)),
  camera: fc.constantFrom(...CAMERAS),
  later: fc.array(fc.nat(20), { maxLength: 3 }),
  people: fc.array(fc.constantFrom(...PEOPLE), { minLength: 1, maxLength: 12 }),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** One entity of a category: its first event and some later ones, each by somebody, full of ids of people. */
async function happen(story: Story, { category, owner, camera, later, people }: Step): Promise<void> {
  const types = Object.keys(catalogue.streams.find((declared) => declared.category === category)!.types);
  const employer = people[0]!.employer;
  const own = { organisation: category === 'person' ? employer : owner, camera: camera.custodian, none: undefined };
  const whom = own[OWNER[category]!];
  const entity = ['cameraFeed', 'recording'].includes(category) ? camera.id : newId();
  const fixed = {
    ...{ organisationId: whom ?? owner, managingUnitId: whom ?? owner, responsiblePartyId: whom ?? owner },
    ...{ cameraId: camera.id, division: camera.division, divisions: [camera.division] },
  };
  let turn = 0;
  const any = () => people[turn++ % people.length]!.id;
  for (const type of [types[0]!, ...later.map((n) => types[n % types.length]!)]) {
    const data = withIds(sampleOf(type), fixed, any);
    const concerned = whom === undefined || NEVER.has(type) ? [] : [whom];
    const stream = `${category}-${entity}`;
    await story.tell(stream, type, data, people[turn % people.length]!, concerned);
  }
}

/** Whether an event names a person who does not work for an organisation. */
const tells = (event: RecordedEvent, organisationId: string) => {
  const text = JSON.stringify([event.data, event.metadata, event.stream]);
  return PEOPLE.some(({ id, employer }) => employer !== organisationId && text.includes(id));
};

async function published(story: Story, of = story.store) {
  const recipients = await recipientsOf(
    of,
    ORGANISATIONS.map(({ id }) => id),
  );
  const route = routes({ store: of, catalogue, recipients });
  const rows = [];
  for (const event of await story.events()) rows.push({ event, publications: await route(event) });
  return rows;
}

describe('routes', () => {
  test('every category is in the table, and the table knows no other', () => {
    expect(Object.keys(CONCERNS).sort()).toEqual(catalogue.streams.map(({ category }) => category).sort());
    expect(Object.keys(OWNER)).toHaveLength(Object.keys(CONCERNS).length - 2); // organisation and camera begin a story
    for (const { category, types } of catalogue.streams) {
      for (const type of CONCERNS[category]!.except ?? []) expect(Object.keys(types)).toContain(type);
    }
  });

  test('only streams of persons hold commitments: no other is kept from departments for them', () => {
    const personal = [...catalogue.entries()].filter(([, { personal = [] }]) => personal.length > 0);
    expect(new Set(personal.map(([, { category }]) => category))).toEqual(new Set(['person']));
  });

  test('a department gets what concerns it, all of it, nothing else, and nobody else’s people; whatever happens', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        const story = new Story();
        await story.begin();
        for (const one of steps) await happen(story, one);
        const rows = await published(story);
        for (const [i, { event, publications }] of rows.entries()) {
          for (const { id, kind } of ORGANISATIONS) {
            if (kind === 'public-security-organ') continue;
            const copies = publications.filter(({ topic }) => topic === departmentTopic(id));
            expect([event.type, copies.length]).toEqual([event.type, story.told[i]!.concerns.includes(id) ? 1 : 0]);
            for (const copy of copies) {
              expect(tells(copy.event, id)).toBe(false);
              expect(catalogue.validate(event.type, copy.event.data)).toEqual(copy.event.data);
              expect(Object.keys(copy.event.metadata)).not.toContain('commandId');
            }
          }
        }
        // The same way at every replay, also when everything else has happened meanwhile.
        expect(await published(story)).toEqual(rows);
      }),
      { numRuns: 60 },
    );
  }, 60_000);

  test('control: the event as it is, and a route by place instead of by concern, would both tell too much', async () => {
    const story = new Story();
    await story.begin();
    const [bureauOfficer, department, unit] = [PEOPLE[2]!, ORGANISATIONS[3]!, ORGANISATIONS[5]!];
    const camera = CAMERAS[0]!;
    await happen(story, { category: 'grant', owner: department.id, camera, later: [], people: [bureauOfficer] });
    const [grant] = (await story.events()).slice(-1);
    expect(tells(grant!, department.id)).toBe(true);
    const places = await new EventDivisions(story.store).of(grant!);
    expect(liesIn(unit.division, places)).toBe(true);
    expect(story.told.at(-1)!.concerns).not.toContain(unit.id);
  });

  test('who acted for which organisation stays; persons of other organisations become nobody in particular', async () => {
    const story = new Story();
    await story.begin();
    const [responsible, investigator, department] = [PEOPLE[2]!, PEOPLE[6]!, ORGANISATIONS[3]!.id];
    const data = {
      ...(sampleOf('GrantIssued') as object),
      organisationId: department,
      personIds: [investigator.id],
      approvedBy: responsible.id,
    };
    await story.tell(`grant-${newId()}`, 'GrantIssued', data, responsible, [department]);
    const { event, publications } = (await published(story)).at(-1)!;
    const shown = publications.find(({ topic }) => topic === departmentTopic(department))!.event;
    expect(shown.data).toEqual({ ...(event.data as object), approvedBy: SOMEBODY });
    expect(shown.metadata).toEqual({
      actor: { ...event.metadata.actor, id: SOMEBODY },
      occurredAt: event.metadata.occurredAt,
      rules: [],
      correlationId: event.metadata.correlationId,
    });
    expect({ ...shown, data: 0, metadata: 0 }).toEqual({ ...event, data: 0, metadata: 0 });
  });

  test('a bureau gets everything of its jurisdiction, whole, and of elsewhere only what concerns itself', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        const story = new Story();
        await story.begin();
        for (const one of steps) await happen(story, one);
        for (const [i, { event, publications }] of (await published(story)).entries()) {
          const places = await new EventDivisions(story.store).of(event);
          for (const { id, kind, division } of ORGANISATIONS) {
            if (kind !== 'public-security-organ') continue;
            const copy = publications.find(({ topic }) => topic === bureauTopic(id))?.event;
            if (liesIn(division, places)) expect(copy).toBe(event);
            else if (story.told[i]!.concerns.includes(id)) expect(tells(copy!, id)).toBe(false);
            else expect(copy).toBeUndefined();
          }
          expect(publications.filter(({ topic }) => topic === bureauTopic(ORGANISATIONS[0]!.id))).toHaveLength(1);
        }
      }),
      { numRuns: 30 },
    );
  }, 60_000);

  test('every event is on the topic of its service, and nowhere else when nobody has a topic', async () => {
    const story = new Story();
    await story.begin();
    const route = routes({ store: story.store, catalogue, recipients: [] });
    for (const event of await story.events()) {
      const topic = `mingjing.${categoryOf(event.stream) === 'camera' ? 'registry' : 'identity'}.v1`;
      expect(await route(event)).toEqual([{ topic, event }]);
    }
  });

  test('an organisation that nobody has registered cannot be given a topic', async () => {
    const story = new Story();
    for (const id of [newId(), 'transport', '']) {
      await expect(recipientsOf(story.store, [id])).rejects.toMatchObject({
        code: 'platform.bad-configuration',
        detail: `MINGJING_KAFKA_DEPARTMENTS: no organisation ${id} is registered`,
      });
    }
  });
});
