import type { VaultUse } from '#libs/vault';
import { catalogue } from './event-catalogue.js';

/** What one process of an installation owns and uses in the database; the rest is closed to its role. */
export interface ServiceRights {
  /** Stream categories that it appends to. */
  readonly categories: readonly string[];
  /** Schemas that are its alone. */
  readonly schemas: readonly string[];
  readonly vault: readonly VaultUse[];
}

/** Events are written by the service that declares them; those of the vault by the one service that opens it to people. */
const PROCESSES = {
  gateway: { services: ['identity', 'vault'], schemas: ['identity', 'sign_in', 'openid'], vault: ['keep-people'] },
  registry: { services: ['registry'], schemas: ['registry'], vault: [] },
  integration: { services: ['integration'], schemas: ['integration'], vault: ['keep-secrets'] },
  access: { services: ['access'], schemas: ['access'], vault: ['compare-people'] },
  media: { services: ['media'], schemas: [], vault: ['read-secrets'] },
  audit: { services: ['audit'], schemas: [], vault: [] },
  relay: { services: [], schemas: [], vault: [] },
} as const satisfies Record<
  string,
  { readonly services: readonly string[]; readonly schemas: readonly string[]; readonly vault: readonly VaultUse[] }
>;

/** Processes that an installation in parts has. */
export type ProcessWithRights = keyof typeof PROCESSES;

/** Stream categories that a process appends to, by the catalogue. */
export function categoriesOf(process: ProcessWithRights): readonly string[] {
  const services: readonly string[] = PROCESSES[process].services;
  return catalogue.streams.filter(({ service }) => services.includes(service)).map(({ category }) => category);
}

/** What the database role of a process is for. */
export function rightsOf(process: ProcessWithRights): ServiceRights {
  const { schemas, vault } = PROCESSES[process];
  return { categories: categoriesOf(process), schemas, vault };
}

/** What the one role of a hub in one process is for: everything. */
export const HUB_RIGHTS: ServiceRights = {
  categories: ['*'],
  schemas: Object.values(PROCESSES).flatMap(({ schemas }) => schemas),
  vault: ['keep-people', 'keep-secrets', 'read-secrets'],
};
