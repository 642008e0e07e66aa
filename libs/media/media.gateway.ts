import { Inject, Injectable } from '@nestjs/common';
import { Refusal } from '#libs/kernel';
import { SecretStore } from '#libs/vault';
import { MediaPort, type ProbeResult, type Source } from './ports.js';
import { probe } from './probe.js';
import { credentialsOf } from './recorders.js';
import { SourceGuard } from './source-address.js';

/** What the gateway does for other services of the same process. */
@Injectable()
export class MediaGateway extends MediaPort {
  constructor(
    @Inject(SourceGuard) private readonly guard: SourceGuard,
    @Inject(SecretStore) private readonly secrets: SecretStore,
  ) {
    super();
  }

  override async check({ protocol, address }: Source): Promise<void> {
    const checked = await this.guard.check(protocol, address);
    if (checked.protocol === 'file') await checked.file.close();
  }

  override async probe(source: Source): Promise<ProbeResult> {
    try {
      const credentials = await credentialsOf(this.secrets, source);
      const found = await probe(await this.guard.check(source.protocol, source.address), credentials);
      if (!found.reachable) return { passed: false, failure: found.failure };
      const { codec, width, height, frameRate } = found;
      return { passed: true, codec, width, height, frameRate };
    } catch (error) {
      if (error instanceof Refusal) return { passed: false, failure: error.code };
      throw error;
    }
  }
}
