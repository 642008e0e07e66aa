import type { Composition } from '../services/hub-process.js';

/** One way in which the same services are put together; the same scenarios must hold in each. */
export interface Mode {
  readonly name: string;
  readonly composition: Composition;
  /** Starts what the mode needs besides the hub; gives the settings that lead there. */
  prepare(): Promise<{ readonly settings: Readonly<Record<string, string>>; stop(): Promise<void> }>;
}

const nothing = async () => ({ settings: {}, stop: async () => undefined });

const ALL: readonly Mode[] = [
  { name: 'hub', composition: 'hub', prepare: nothing },
  { name: 'services', composition: 'services', prepare: nothing },
];

/** Modes that this run plays: all, or the one that `npm run test:scenarios -- --mode=…` names. */
export const MODES: readonly Mode[] = ALL.filter(({ name }) =>
  [undefined, name].includes(process.env.SCENARIO_MODE),
);
