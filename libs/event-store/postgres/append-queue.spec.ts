import { checkAppend } from '../checked-append.js';
import { someEvent } from '../event-store-kit.contract.js';
import { BusyError, type EventToAppend, OutcomeUnknownError } from '../port.js';
import { AppendQueue, type Execute } from './append-queue.js';

/** A database that says yes to all and notes how many events and bytes each group had. */
function yesSayer() {
  const groups: { events: number; bytes: number; ids: string }[] = [];
  const length = (array: unknown) => (array as Buffer).readInt32BE(12);
  const execute: Execute = async ({ values }) => {
    groups.push({
      events: length(values[5]),
      bytes: (values[9] as Buffer).length + (values[10] as Buffer).length,
      ids: (values[5] as Buffer).toString('hex'),
    });
    const appends = Math.max(...int4s(values[1] as Buffer));
    const list = (n: number) => `{${Array(n).fill('0').join()}}`;
    return [[list(appends), list(appends), list(appends), list(length(values[1]))]];
  };
  return { groups, execute };
}

function int4s(array: Buffer): number[] {
  return Array.from({ length: array.readInt32BE(12) }, (_, i) => array.readInt32BE(24 + 8 * i));
}

const append = (queue: AppendQueue, ...events: EventToAppend[]) =>
  queue.append(checkAppend([{ stream: 'a-1', expected: 'any', events }]));
const some = (n: number, data?: unknown) => Array.from({ length: n }, () => someEvent(data));

describe('group commit', () => {
  test('concurrent appends share groups of at most 500 events', async () => {
    const { groups, execute } = yesSayer();
    const queue = new AppendQueue(execute);
    await Promise.all(Array.from({ length: 300 }, (_, i) => append(queue, ...some(1 + (i % 7)))));
    expect(groups.length).toBeLessThan(10);
    expect(Math.max(...groups.map(({ events }) => events))).toBeLessThanOrEqual(500);
  });

  test('a group has at most 4 MiB, unless a single append is larger', async () => {
    const { groups, execute } = yesSayer();
    const queue = new AppendQueue(execute);
    const large = 'x'.repeat(60_000);
    await Promise.all([
      ...Array.from({ length: 200 }, () => append(queue, ...some(1, large))),
      append(queue, ...some(100, large)),
    ]);
    for (const { events, bytes } of groups) expect(events === 100 || bytes < 4.1 * 2 ** 20).toBe(true);
  });

  test('an append that repeats an id waits for the next group', async () => {
    const { groups, execute } = yesSayer();
    const queue = new AppendQueue(execute);
    const [a, b] = some(2) as [EventToAppend, EventToAppend];
    await Promise.all([append(queue, a), append(queue, a), append(queue, b)]);
    expect(groups.map(({ events }) => events)).toEqual([2, 1]);
  });

  test('when too many wait, the next is refused and the waiting are served', async () => {
    const { execute } = yesSayer();
    const queue = new AppendQueue(execute);
    const event = someEvent();
    const checked = checkAppend([{ stream: 'a-1', expected: 'any', events: [event] }]);
    const waiting = Array.from({ length: 20_000 }, () =>
      queue.append({
        ...checked,
        parts: [{ ...checked.parts[0]!, events: [{ ...checked.parts[0]!.events[0]!, id: crypto.randomUUID() }] }],
      }),
    );
    await expect(queue.append(checked)).rejects.toBeInstanceOf(BusyError);
    await Promise.all(waiting);
    await queue.append(checked);
  });

  test('a group whose commit is not answered is of unknown outcome for each caller, and the next one goes', async () => {
    const { execute } = yesSayer();
    let fail = true;
    const queue = new AppendQueue((statement) => (fail ? Promise.reject(new Error('gone')) : execute(statement)));
    for (const result of await Promise.allSettled([append(queue, ...some(1)), append(queue, ...some(1))])) {
      expect(result.status === 'rejected' && result.reason).toBeInstanceOf(OutcomeUnknownError);
    }
    fail = false;
    await append(queue, ...some(1));
  });
});
