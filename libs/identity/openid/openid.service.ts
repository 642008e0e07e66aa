import { Inject, Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance } from 'fastify';
import type pg from 'pg';
import { DATABASE_URL, HUB_CONFIG, type HubConfig, servicePool } from '#libs/platform';
import { KeyRing } from '#libs/vault';
import { IdentityPort } from '../identity.port.js';
import { CredentialStore } from '../sign-in/credential-store.js';
import { mountOpenId } from './mount.js';
import { OPENID_TABLES } from './postgres-adapter.js';
import { openIdProvider } from './provider.js';

/** Issuer of the hub's own tokens. */
export function issuerOf(config: HubConfig): string {
  return `${config.publicUrl}/oidc`;
}

/** Brings the OpenID provider up with the service and mounts it on the HTTP server. */
@Injectable()
export class OpenIdService implements OnModuleInit, OnApplicationShutdown {
  readonly #pool: pg.Pool;

  constructor(
    @Inject(HUB_CONFIG) private readonly config: HubConfig,
    @Inject(DATABASE_URL) databaseUrl: string,
    @Inject(KeyRing) private readonly keys: KeyRing,
    @Inject(IdentityPort) private readonly identity: IdentityPort,
    @Inject(CredentialStore) private readonly credentials: CredentialStore,
    @Inject(HttpAdapterHost) private readonly http: HttpAdapterHost,
  ) {
    this.#pool = servicePool(databaseUrl);
  }

  async onModuleInit(): Promise<void> {
    await this.#pool.query(OPENID_TABLES);
    const provider = openIdProvider({
      issuer: issuerOf(this.config),
      pool: this.#pool,
      identity: this.identity,
      signingKey: this.keys.signingKey('openid'),
      cookieSecret: this.keys.secret('cookies'),
    });
    mountOpenId(this.http.httpAdapter.getInstance<FastifyInstance>(), provider, this.credentials);
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#pool.end();
  }
}
