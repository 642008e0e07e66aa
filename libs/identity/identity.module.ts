import { Global, Module } from '@nestjs/common';
import { createLocalJWKSet } from 'jose';
import { Clock } from '#libs/kernel';
import { Authenticator, DATABASE_URL, HUB_CONFIG, type HubConfig, needed, ReadModelModule } from '#libs/platform';
import { KeyRing } from '#libs/vault';
import { AdministratorBootstrap } from './administrator-bootstrap.js';
import { ApiClientController } from './api-client/api-client.controller.js';
import { IdentityDirectory } from './identity.directory.js';
import { IdentityPort } from './identity.port.js';
import { IdentityLists, identityReadModel } from './identity-lists.js';
import { MeController } from './me.controller.js';
import { issuerOf, OpenIdService } from './openid/openid.service.js';
import { issuerKeys, publicJwks, TokenAuthenticator } from './openid/token-authenticator.js';
import { OrganisationController } from './organisation/organisation.controller.js';
import { PersonController } from './person/person.controller.js';
import { PersonalData } from './person/personal-data.js';
import { CredentialStore } from './sign-in/credential-store.js';
import { EnrolmentController } from './sign-in/enrolment.controller.js';
import { PostgresCredentialStore } from './sign-in/postgres-credential-store.js';
import { EventSignInJournal, SignInJournal } from './sign-in/sign-in-journal.js';

/** Organisations, people, API clients, their roles and how they sign in. Global: every service asks who is asking. */
@Global()
@Module({
  imports: [ReadModelModule.forFeature(identityReadModel)],
  controllers: [OrganisationController, PersonController, ApiClientController, EnrolmentController, MeController],
  providers: [
    IdentityDirectory,
    { provide: IdentityPort, useExisting: IdentityDirectory },
    IdentityLists,
    PersonalData,
    AdministratorBootstrap,
    { provide: SignInJournal, useClass: EventSignInJournal },
    {
      provide: CredentialStore,
      inject: [DATABASE_URL, KeyRing, Clock, SignInJournal],
      useFactory: (url: string, keys: KeyRing, clock: Clock, journal: SignInJournal) =>
        new PostgresCredentialStore(url, keys.secret('sign-in'), clock, journal),
    },
    // OpenID Connect
    OpenIdService,
    {
      provide: Authenticator,
      inject: [HUB_CONFIG, KeyRing, IdentityPort],
      useFactory: (config: HubConfig, keys: KeyRing, identity: IdentityPort) =>
        new TokenAuthenticator(issuerOf(config), createLocalJWKSet(publicJwks(keys.signingKey('openid'))), identity),
    },
  ],
  exports: [IdentityPort, Authenticator, AdministratorBootstrap],
})
export class IdentityModule {}

/**
 * Who is asking, for a service that runs apart from the gateway: it checks the tokens itself, by the issuer's public
 * keys, and reads people and clients from their streams, so that nobody between has to be believed.
 */
@Global()
@Module({
  providers: [
    { provide: IdentityPort, useClass: IdentityDirectory },
    {
      provide: Authenticator,
      inject: [HUB_CONFIG, IdentityPort],
      useFactory: (config: HubConfig, identity: IdentityPort) => {
        const tokenKeys = needed(config.tokenKeys, 'TOKEN_KEYS', 'a service');
        return new TokenAuthenticator(issuerOf(config), issuerKeys(tokenKeys), identity);
      },
    },
  ],
  exports: [IdentityPort, Authenticator],
})
export class TokenModule {}
