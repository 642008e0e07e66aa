import type { CommandContext } from '#libs/kernel';

/** Why clear text is read: recorded before it is handed out. */
export interface Reading {
  readonly context: CommandContext;
  readonly purpose: string;
}

/**
 * Keeper of personal data. Events carry person ids and keyed commitments only; the clear text lies here, encrypted
 * under one key per person.
 *
 * Implementers MUST record a reading as an event before they hand out clear text, and MUST fail, not answer empty,
 * when a key cannot be opened.
 */
export abstract class Vault {
  /**
   * Encrypts and stores fields of a person.
   * @returns a commitment per field (`hmac-sha256:<base64url>`), fit to stand in an event
   */
  abstract seal(personId: string, fields: Readonly<Record<string, string>>): Promise<Record<string, string>>;

  /** The commitment that a value would have, to compare with a stored one. */
  abstract commit(personId: string, field: string, value: string): Promise<string>;

  /** Clear text of fields; those never stored are absent. @throws Refusal `vault.no-such-person` */
  abstract open(personId: string, fields: readonly string[], reading: Reading): Promise<Record<string, string>>;
}

/** Secrets of machines (camera credentials): encrypted, referred to by an opaque id, never in an event. */
export abstract class SecretStore {
  abstract put(secret: Readonly<Record<string, string>>): Promise<string>;
  /** @returns undefined when there is no such secret */
  abstract get(reference: string): Promise<Record<string, string> | undefined>;
}
