import type { EventStore, RecordedEvent } from '#libs/event-store';
import { categoryOf, entityOf, streamName } from '#libs/kernel';

/** Whom the events of a stream category concern, and why so. */
interface Concern {
  /**
   * Fields of the stream's first event that name organisations; or `custodian`: the managing unit of the camera that
   * the event is about; or `itself`: the organisation that the stream is about; or `nobody`.
   */
  readonly whom: readonly string[] | 'custodian' | 'itself' | 'nobody';
  /** Types of the category that concern nobody all the same. */
  readonly except?: readonly string[];
  readonly why: string;
}

/** One line a stream category; what has none here concerns nobody. */
export const CONCERNS: Readonly<Record<string, Concern>> = {
  organisation: { whom: 'itself', why: 'its own entry and powers' },
  person: {
    whom: ['organisationId'],
    except: ['EnrolmentIssued', 'SignInEnrolled'],
    why: 'the employer answers for its people; when they change their means of sign-in only helps who would steal them',
  },
  apiClient: { whom: ['organisationId'], why: 'its own program' },
  signIn: { whom: 'nobody', why: 'when people work is no affair of their employer; locked accounts invite attacks' },
  site: { whom: ['managingUnitId'], why: 'the unit that manages the site (Art. 8)' },
  videoSystem: {
    whom: ['managingUnitId', 'responsiblePartyId'],
    why: 'the unit that runs the system and the party responsible for it (Art. 11, 12, 17)',
  },
  camera: { whom: ['managingUnitId'], why: 'the custodian' },
  gbDevice: { whom: 'custodian', why: 'the id of its camera' },
  connection: { whom: ['managingUnitId'], why: 'the connection is to its camera (Art. 7)' },
  cameraFeed: { whom: 'custodian', why: 'which connection feeds its camera' },
  recording: { whom: 'custodian', why: 'it must keep recording and report interruptions (Art. 17(7), (8))' },
  accessRequest: {
    whom: ['organisationId'],
    why: 'who asked, nobody else: purpose and case are secret from custodians, whom the inquiry may be about',
  },
  grant: { whom: ['organisationId'], why: 'who holds it; custodians as above' },
  retrievalSession: { whom: ['organisationId'], why: 'whose investigators retrieve; custodians as above' },
  playback: { whom: ['organisationId'], why: 'who watches or tried to; custodians as above' },
  clipDecision: { whom: ['organisationId'], why: 'who exports or tried to; custodians as above' },
  clip: { whom: ['organisationId'], why: 'whom the clip was made for; custodians as above' },
  auditReading: { whom: 'nobody', why: 'who is audited is not told when and by whom' },
  personalData: { whom: 'nobody', why: 'an inquiry into a person must not warn their organisation' },
};

/** Streams, and ids that may be persons, remembered at a time. */
const REMEMBERED_MAX = 10_000;

/**
 * Which organisations events concern, by {@link CONCERNS}. Asks only first events, which never change: an event
 * concerns the same organisations whenever it is asked. To be asked one question at a time.
 */
export class Concerns {
  readonly #organisations = new Map<string, readonly string[]>();
  readonly #employers = new Map<string, string | undefined>();

  constructor(private readonly store: EventStore) {}

  /** Ids of the organisations that an event concerns. */
  async of(event: RecordedEvent): Promise<readonly string[]> {
    const { stream, type, data } = event;
    const concern = CONCERNS[categoryOf(stream)];
    if (concern === undefined || concern.except?.includes(type)) return [];
    switch (concern.whom) {
      case 'nobody':
        return [];
      case 'itself':
        return [entityOf(stream)];
      case 'custodian': {
        const { cameraId = entityOf(stream) } = data as { cameraId?: string };
        return this.#named(streamName('camera', cameraId), ['managingUnitId']);
      }
      default:
        return event.revision === 0n ? organisationsIn(event, concern.whom) : this.#named(stream, concern.whom);
    }
  }

  /** The organisation that somebody works for; undefined when the id is no person's. */
  async employerOf(id: string): Promise<string | undefined> {
    if (this.#employers.has(id)) return this.#employers.get(id);
    const first = await this.#first(streamName('person', id));
    const [employer] = first === undefined ? [] : organisationsIn(first, ['organisationId']);
    if (this.#employers.size >= REMEMBERED_MAX) this.#employers.clear();
    this.#employers.set(id, employer);
    return employer;
  }

  async #named(stream: string, fields: readonly string[]): Promise<readonly string[]> {
    const known = this.#organisations.get(stream);
    if (known !== undefined) return known;
    const first = await this.#first(stream);
    if (first === undefined) return [];
    const organisations = organisationsIn(first, fields);
    if (this.#organisations.size >= REMEMBERED_MAX) this.#organisations.clear();
    this.#organisations.set(stream, organisations);
    return organisations;
  }

  async #first(stream: string): Promise<RecordedEvent | undefined> {
    for await (const event of this.store.readStream(stream, { limit: 1 })) return event;
    return undefined;
  }
}

function organisationsIn({ data }: RecordedEvent, fields: readonly string[]): readonly string[] {
  const named = fields.map((field) => (data as Record<string, unknown>)[field]);
  return named.filter((id): id is string => typeof id === 'string');
}
