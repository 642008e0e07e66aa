import { Inject, Injectable } from '@nestjs/common';
import type { RequestContext } from '#libs/kernel';
import { Vault } from '#libs/vault';
import { requireJurisdiction } from '../authority.js';
import { IdentityDirectory } from '../identity.directory.js';

/** Field whose commitment stands in events: the number shown at a retrieval is compared with it. */
const NUMBER = 'credential-number';
/** Field that keeps the clear text of one credential's number. */
const numberOf = (credentialId: string) => `${NUMBER}-${credentialId}`;

/**
 * Clear text of people, in the vault only. It is sealed after the command was carried out, so that neither a refused
 * command nor an idempotency key used twice overwrites what stands there; a repeated command seals again.
 */
@Injectable()
export class PersonalData {
  constructor(
    @Inject(Vault) private readonly vault: Vault,
    @Inject(IdentityDirectory) private readonly directory: IdentityDirectory,
  ) {}

  /** Runs a command with commitments to fields of a new person, then keeps their clear text. */
  async keep<Fields extends Readonly<Record<string, string>>, Outcome>(
    personId: string,
    clear: Fields,
    run: (commitments: Fields) => Promise<Outcome>,
  ): Promise<Outcome> {
    await this.vault.seal(personId, {}); // makes the person's key, without which nothing can be committed to
    const commitments: Record<string, string> = {};
    for (const [field, value] of Object.entries(clear)) {
      commitments[field] = await this.vault.commit(personId, field, value);
    }
    const outcome = await run(commitments as Fields);
    await this.vault.seal(personId, clear);
    return outcome;
  }

  /** Runs a command with the commitment to a credential's number, then keeps its clear text. */
  async keepNumber<Outcome>(
    personId: string,
    credentialId: string,
    number: string,
    run: (commitment: string) => Promise<Outcome>,
  ): Promise<Outcome> {
    const outcome = await run(await this.vault.commit(personId, NUMBER, number));
    await this.vault.seal(personId, { [numberOf(credentialId)]: number });
    return outcome;
  }

  /**
   * Clear text of a person, recorded before it is handed out.
   * @throws Refusal `identity.no-such-person`, `identity.outside-jurisdiction`
   */
  async read(personId: string, purpose: string, context: RequestContext): Promise<object> {
    requireJurisdiction(context.principal, (await this.directory.employer(personId)).division);
    const person = await this.directory.person(personId);
    const credentialIds = person.status === 'active' ? person.credentialIds : [];
    const fields = ['name', 'phone', ...credentialIds.map(numberOf)];
    const clear = await this.vault.open(personId, fields, { context, purpose });
    const numbers = credentialIds.map((id) => [id, clear[numberOf(id)]] as const);
    return {
      id: personId,
      name: clear.name,
      ...(clear.phone === undefined ? {} : { phone: clear.phone }),
      credentialNumbers: Object.fromEntries(numbers),
    };
  }
}
