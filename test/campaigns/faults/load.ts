import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { User } from '../../scenarios/api.js';
import type { World } from './world.js';

/** What the users write: one kind for each service, in a stream of its own. */
export const KINDS = ['organisation', 'site', 'camera', 'connection', 'accessRequest'] as const;
export type Kind = (typeof KINDS)[number];

/** One write that a user asked for. */
export interface Asked {
  readonly kind: Kind;
  /** Stands in the data of its event and in no other. */
  readonly marker: string;
  readonly key: string;
  readonly body: object;
  /** What the user has been told before: the answer must not know less. */
  readonly behind: bigint;
  /** Monotonic clock, ms. */
  readonly askedAt: number;
  attempts: number;
  acked?: { readonly id: string; readonly position: bigint; readonly at: number };
}

const PAUSE_MS = 25;
const ANSWER_MS_MAX = 20_000;
const AGAIN_MS = 150;
const SECOND_MS = 1_000;
/** Statuses that tell a client to come again; anything else than these and success is no clear answer to a fault. */
const COME_AGAIN = new Set([429, 502, 503, 504]);
const RUN = randomUUID().slice(0, 8);

/**
 * Users who write without end through the gateway, each write under an Idempotency-Key of its own. What is not
 * answered, or with a request to come again, is sent again under the same key until it is acknowledged.
 */
export class Load {
  readonly asked: Asked[] = [];
  /** Answers that were neither an acknowledgement nor a clear request to come again. */
  readonly unclear: string[] = [];
  /** Statuses besides those to come again that are clear answers at this moment. */
  readonly alsoClear = new Set<number>();
  #camera: { readonly id: string; readonly position: bigint } | undefined;
  #going = true;
  #pause: PromiseWithResolvers<void> | undefined;
  #number = 0;
  readonly #running: Promise<void>[];

  constructor(private readonly world: World) {
    this.#running = KINDS.map((kind) => this.#write(kind));
  }

  /** Begins no new writes and resolves when all that were begun are acknowledged. */
  async settle(msMax: number): Promise<void> {
    this.#pause ??= Promise.withResolvers();
    const from = performance.now();
    while (this.asked.some(({ acked }) => acked === undefined)) {
      if (performance.now() - from > msMax) {
        const open = this.asked
          .filter(({ acked }) => acked === undefined)
          .map(({ kind, attempts }) => `${kind} ×${attempts}`);
        throw new Error(`writes are not acknowledged ${msMax / SECOND_MS} s after the fault: ${open.join(', ')}`);
      }
      await sleep(20);
    }
  }

  /** Goes on with new writes. */
  goOn(): void {
    this.#pause?.resolve();
    this.#pause = undefined;
  }

  /** How many writes are acknowledged. */
  get acked(): number {
    return this.asked.filter(({ acked }) => acked !== undefined).length;
  }

  /** When the first write of a kind that was asked for after a moment was acknowledged; infinite when none was. */
  firstAckAfter(kind: Kind, at: number): number {
    const first = this.asked.find((each) => each.kind === kind && each.askedAt > at && each.acked !== undefined);
    return first?.acked?.at ?? Number.POSITIVE_INFINITY;
  }

  async stop(): Promise<void> {
    this.#going = false;
    this.goOn();
    await Promise.all(this.#running);
  }

  async #write(kind: Kind): Promise<void> {
    for (; this.#going; await sleep(PAUSE_MS)) {
      await this.#pause?.promise;
      const marker = `${RUN}-${this.#number++}-${randomUUID()}`;
      const body = this.#body(kind, marker);
      const behind = kind === 'connection' ? (this.#camera?.position ?? 0n) : 0n;
      const asked: Asked = { kind, marker, key: randomUUID(), body, behind, askedAt: performance.now(), attempts: 0 };
      this.asked.push(asked);
      while (this.#going && asked.acked === undefined) {
        if (asked.attempts > 0) await sleep(AGAIN_MS);
        await this.#send(asked);
      }
    }
  }

  #body(kind: Kind, marker: string): object {
    const { cast, registered } = this.world;
    const name = `故障演练 ${marker}`;
    switch (kind) {
      case 'organisation':
        return { name, kind: 'managing-unit', level: 'county', division: '520103' };
      case 'site':
        return { name, category: 'gz117:8.1(8)', division: '520102', managingUnitId: cast.organisations.station };
      case 'camera':
        return cameraOf(registered.systemId, name, this.#number);
      case 'connection':
        return {
          cameraId: this.#camera?.id ?? registered.idleCameraId,
          protocol: 'rtsp',
          address: 'rtsp://127.0.0.1:9/none',
          securityProfile: { transportEncryption: 'none', mutualAuthentication: false, networkZone: 'private-line' },
          purpose: name,
          contactPersonId: cast.people.clerk.id,
        };
      case 'accessRequest':
        return this.#request(name);
    }
  }

  #request(purpose: string): object {
    const { cast, registered } = this.world;
    const iso = (offset: number) => new Date(Date.now() + offset).toISOString();
    return {
      basis: 'gz117:15.3',
      acts: ['view'],
      cameraIds: [registered.cameraId],
      window: { from: iso(-60 * SECOND_MS), to: iso(-30 * SECOND_MS) },
      validFrom: iso(-SECOND_MS),
      validTo: iso(24 * 3_600 * SECOND_MS),
      decidingOrganisationId: cast.organisations.nanmingBureau,
      personIds: [cast.people.firstInvestigator.id, cast.people.secondInvestigator.id],
      purpose,
      caseNumber: '黔交执〔2026〕0117号',
      law: { name: '中华人民共和国道路运输条例', article: '第六十三条' },
      certificateSha256: 'a'.repeat(64),
    };
  }

  async #send(asked: Asked): Promise<void> {
    asked.attempts += 1;
    const { kind, key, body, behind } = asked;
    const [path, user] = this.#doorOf(kind);
    try {
      const response = await fetch(`${this.world.url}${path}`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${await user.token()}`,
          'content-type': 'application/json',
          'idempotency-key': key,
          'mingjing-position': String(behind),
        },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(ANSWER_MS_MAX),
      });
      const position = response.headers.get('mingjing-position');
      const text = await response.text();
      if (response.status === 201 && position !== null) {
        const { id } = JSON.parse(text) as { id: string };
        asked.acked = { id, position: BigInt(position), at: performance.now() };
        if (kind === 'camera') this.#camera = { id, position: BigInt(position) };
      } else if (!this.#isClear(response, text)) {
        this.unclear.push(`${kind}: ${response.status} ${text.slice(0, 300)}`);
      }
    } catch {
      // No answer: it is sent again.
    }
  }

  /** A problem document that says what is the matter and that coming again helps. */
  #isClear({ status, headers }: Response, text: string): boolean {
    if (!COME_AGAIN.has(status) && !this.alsoClear.has(status)) return false;
    return headers.get('content-type')?.includes('application/problem+json') === true && /"code":"[a-z.-]+"/.test(text);
  }

  #doorOf(kind: Kind): readonly [path: string, user: User] {
    const { operator, people } = this.world.cast;
    switch (kind) {
      case 'organisation':
        return ['/api/v1/organisations', operator];
      case 'site':
        return ['/api/v1/sites', people.clerk];
      case 'camera':
        return ['/api/v1/cameras', people.clerk];
      case 'connection':
        return ['/api/v1/connections', people.clerk];
      case 'accessRequest':
        return ['/api/v1/access-requests', people.firstInvestigator];
    }
  }
}

function cameraOf(systemId: string, name: string, number: number): object {
  const day = (offset: number) => new Date(Date.now() + offset * 86_400 * SECOND_MS).toISOString().slice(0, 10);
  return {
    systemId,
    gbId: `5201020000132${String(1_000_000 + number)}`,
    name,
    place: 'ordinary',
    position: { longitude: 106.7135, latitude: 26.5695, heightM: 6 },
    fieldOfView: { azimuthDeg: 45, tiltDeg: -20, horizontalDeg: 70, rangeM: 60 },
    sign: { photoSha256: 'b'.repeat(64), installedAt: day(-5) },
    product: { manufacturer: '示例厂', model: 'X1', certificateNumber: 'C-1', certificateValidTo: day(365) },
  };
}
