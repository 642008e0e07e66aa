import type { Composition } from '../services/hub-process.js';
import { startKafka } from '../services/kafka/broker.js';
import { type KurrentStandIn, startKurrentStandIn } from '../services/kurrentdb/stand-in.js';

/** One way in which the same services are put together; the same scenarios must hold in each. */
export interface Mode {
  readonly name: string;
  readonly composition: Composition;
  /** Starts what the mode needs besides the hub; gives the settings that lead there. */
  prepare(): Promise<{
    readonly settings: Readonly<Record<string, string>>;
    /** Where the events are when they are not in PostgreSQL, and the server is one that a test may hold. */
    readonly kurrent?: KurrentStandIn;
    stop(): Promise<void>;
  }>;
}

const ALL: readonly Mode[] = [
  { name: 'hub', composition: 'hub', prepare: async () => ({ settings: {}, stop: async () => undefined }) },
  // As a province runs it: each service by itself, its read models fed from Kafka.
  {
    name: 'services',
    composition: 'services',
    prepare: async () => {
      const { brokers, stop } = await startKafka();
      return { settings: { MINGJING_KAFKA_BROKERS: brokers.join(','), MINGJING_FEED: 'kafka' }, stop };
    },
  },
  // Events in KurrentDB (the stand-in, or the server at KURRENTDB_URL, which must be empty); the rest in PostgreSQL.
  {
    name: 'kurrentdb',
    composition: 'hub',
    prepare: async () => {
      const { KURRENTDB_URL: real } = process.env;
      const standIn = real === undefined ? await startKurrentStandIn() : undefined;
      const stop = async () => void (await standIn?.stop());
      return { settings: { MINGJING_EVENT_STORE: real ?? standIn!.url }, stop, ...(standIn && { kurrent: standIn }) };
    },
  },
];

/** Modes that this run plays: all, or the one that `npm run test:scenarios -- --mode=…` names. */
export const MODES: readonly Mode[] = ALL.filter(({ name }) => [undefined, name].includes(process.env.SCENARIO_MODE));
