import { z } from 'zod';
import { MemoryEventStore, runCommand } from '#libs/event-store';
import {
  type CommandContext,
  type DomainCommand,
  defineEvents,
  defineRefusals,
  type EventOf,
  newId,
  type StreamDefinition,
} from '#libs/kernel';

const doorEvents = defineEvents('test', 'door', {
  DoorOpened: {
    data: z.strictObject({ by: z.string() }),
    version: 1,
    meaning: ['Opened', '开'],
    since: '0.1',
    rules: [],
  },
  DoorTried: {
    data: z.strictObject({ by: z.string() }),
    version: 1,
    meaning: ['Tried', '试'],
    since: '0.1',
    rules: [],
  },
});
const keyEvents = defineEvents('test', 'key', {
  KeyTaken: { data: z.strictObject({}), version: 1, meaning: ['Taken', '取'], since: '0.1', rules: [] },
});
const refusals = defineRefusals({
  'test.stranger': { kind: 'forbidden', title: ['Stranger', '陌生人'], rules: ['gz117:4.2'] },
  'test.key-taken': { kind: 'conflict', title: ['Key taken', '钥匙已取'], rules: [] },
});

type Event = EventOf<typeof doorEvents>;
interface Open extends DomainCommand<'Open'> {
  readonly by: string;
}

const door: StreamDefinition<{ opened: number }, Open, Event> = {
  events: doorEvents,
  decider: {
    decide: ({ by }) => {
      if (by === 'stranger') throw refusals['test.stranger']('no').recordedBy({ type: 'DoorTried', data: { by } });
      return [{ type: 'DoorOpened', data: { by } }];
    },
    evolve: (state, event) => ({ opened: state.opened + (event.type === 'DoorOpened' ? 1 : 0) }),
    initialState: () => ({ opened: 0 }),
  },
};

const context = (extra: Partial<CommandContext> = {}): CommandContext => ({
  actor: { kind: 'person', id: newId() },
  at: '2026-01-01T00:00:00.000Z',
  correlationId: 'c',
  newId,
  ...extra,
});

async function types(store: MemoryEventStore, stream: string): Promise<string[]> {
  const found: string[] = [];
  for await (const event of store.readStream(stream)) found.push(event.type);
  return found;
}

describe('running a command', () => {
  test('appends what was decided, at the revision that was read', async () => {
    const store = new MemoryEventStore();
    const first = await runCommand(store, door, 'a', { type: 'Open', by: 'x' }, context());
    const second = await runCommand(store, door, 'a', { type: 'Open', by: 'x' }, context());
    expect([first.revision, second.revision]).toEqual([0n, 1n]);
    expect(second.state).toEqual({ opened: 2 });
  });

  test('fifty callers at once all come through, one after the other or with a clear refusal', async () => {
    const store = new MemoryEventStore();
    const all = await Promise.allSettled(
      Array.from({ length: 50 }, () => runCommand(store, door, 'a', { type: 'Open', by: 'x' }, context())),
    );
    const done = all.filter((r) => r.status === 'fulfilled').length;
    for (const r of all) if (r.status === 'rejected') expect(r.reason.code).toBe('command.contended');
    expect(await types(store, 'door-a')).toHaveLength(done);
  });

  test('repeated under the same Idempotency-Key gives the first result and appends nothing', async () => {
    const store = new MemoryEventStore();
    const same = context({ commandId: 'k', fingerprint: 'f' });
    const first = await runCommand(store, door, 'a', { type: 'Open', by: 'x' }, same);
    await runCommand(store, door, 'a', { type: 'Open', by: 'y' }, context());
    const again = await runCommand(store, door, 'a', { type: 'Open', by: 'x' }, same);
    expect(again).toMatchObject({ revision: first.revision, position: first.position, repeated: true });
    expect(await types(store, 'door-a')).toHaveLength(2);
  });

  test('ten callers with the same key at once append once', async () => {
    const store = new MemoryEventStore();
    const same = context({ commandId: 'k', fingerprint: 'f' });
    await Promise.all(Array.from({ length: 10 }, () => runCommand(store, door, 'a', { type: 'Open', by: 'x' }, same)));
    expect(await types(store, 'door-a')).toEqual(['DoorOpened']);
  });

  test('the same key for another payload is refused', async () => {
    const store = new MemoryEventStore();
    await runCommand(store, door, 'a', { type: 'Open', by: 'x' }, context({ commandId: 'k', fingerprint: 'f' }));
    const other = runCommand(
      store,
      door,
      'a',
      { type: 'Open', by: 'z' },
      context({ commandId: 'k', fingerprint: 'g' }),
    );
    await expect(other).rejects.toMatchObject({ code: 'command.idempotency-key-reused' });
  });

  test('a refused attempt that must be on record is, once, and stays refused when repeated', async () => {
    const store = new MemoryEventStore();
    const same = context({ commandId: 'k', fingerprint: 'f' });
    for (let i = 0; i < 2; i += 1) {
      const refused = runCommand(store, door, 'a', { type: 'Open', by: 'stranger' }, same);
      await expect(refused).rejects.toMatchObject({ code: 'test.stranger', rules: ['gz117:4.2'] });
    }
    const found = [];
    for await (const event of store.readStream('door-a')) found.push(event.metadata.refusal);
    expect(found).toEqual(['test.stranger']);
  });

  test('If-Match refuses a command on what has changed since it was read', async () => {
    const store = new MemoryEventStore();
    await runCommand(store, door, 'a', { type: 'Open', by: 'x' }, context());
    await runCommand(store, door, 'a', { type: 'Open', by: 'x' }, context({ ifMatch: 0n }));
    const stale = runCommand(store, door, 'a', { type: 'Open', by: 'x' }, context({ ifMatch: 0n }));
    await expect(stale).rejects.toMatchObject({ code: 'command.stale-revision' });
  });

  test('a reservation that is taken refuses the whole command: nothing of it is appended', async () => {
    const store = new MemoryEventStore();
    const reserve = () => [
      {
        events: keyEvents,
        id: '1',
        expected: 'no-stream' as const,
        write: [{ type: 'KeyTaken', data: {} }],
        taken: () => refusals['test.key-taken']('by another door'),
      },
    ];
    const winners = await Promise.allSettled(
      ['a', 'b', 'c'].map((id) => runCommand(store, door, id, { type: 'Open', by: 'x' }, context(), reserve)),
    );
    expect(winners.filter((w) => w.status === 'fulfilled')).toHaveLength(1);
    expect(await types(store, 'key-1')).toEqual(['KeyTaken']);
    const opened = await Promise.all(['a', 'b', 'c'].map((id) => types(store, `door-${id}`)));
    expect(opened.flat()).toEqual(['DoorOpened']);
  });
});
