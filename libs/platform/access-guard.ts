import { type CanActivate, type ExecutionContext, Inject, Injectable, SetMetadata } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { Clock, type Principal, type Role } from '#libs/kernel';
import { platformRefusals } from './platform.refusals.js';

/** Who may use an endpoint. */
export interface AccessPolicy {
  /** Any of these roles, or `signed-in` for every principal. */
  readonly roles: readonly Role[] | 'signed-in';
  /** Whether API clients may use it too; default only people. */
  readonly clients?: boolean;
}

const POLICY = Symbol('access policy');

/** Opens an endpoint to the roles named; an endpoint without a policy refuses everyone. */
export const Allow = (policy: AccessPolicy) => SetMetadata(POLICY, policy);

/** Opens an endpoint to everyone, without a token. For sign-in, health and documentation only. */
export const Public = () => SetMetadata(POLICY, 'public');

/** Turns an Authorization header into a principal. */
export abstract class Authenticator {
  /** @throws Refusal `platform.unauthenticated` when there is no valid token or its holder is unknown or deactivated */
  abstract authenticate(authorization: string | undefined): Promise<Principal>;
}

/** A request that has passed the guard. */
export interface AuthenticatedRequest extends FastifyRequest {
  principal?: Principal;
  /** The role that opened the endpoint; absent where every signed-in principal may enter. */
  admittedAs?: Role;
  /** When the hub admitted the request by its own clock, ms since the epoch. */
  admittedAt?: number;
}

/** Denies every request that no policy allows; runs before any input is looked at, so a stranger learns nothing. */
@Injectable()
export class AccessGuard implements CanActivate {
  constructor(
    @Inject(Reflector) private readonly reflector: Reflector,
    @Inject(Authenticator) private readonly authenticator: Authenticator,
    @Inject(Clock) private readonly clock: Clock,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const policy = this.reflector.getAllAndOverride<AccessPolicy | 'public' | undefined>(POLICY, [
      context.getHandler(),
      context.getClass(),
    ]);
    if (policy === 'public') return true;
    const request = context.switchToHttp().getRequest<AuthenticatedRequest>();
    const principal = await this.authenticator.authenticate(request.headers.authorization);
    if (policy === undefined) throw platformRefusals['platform.forbidden']('no policy opens this endpoint');
    const wanted = policy.roles === 'signed-in' ? [] : policy.roles;
    const role = wanted.find((r) => principal.roles.includes(r));
    const admitted = policy.roles === 'signed-in' || role !== undefined;
    if (!admitted || (principal.kind === 'client' && policy.clients !== true)) {
      throw platformRefusals['platform.forbidden']('the role needed is not held', { roles: wanted });
    }
    request.principal = principal;
    request.admittedAt = this.clock.now();
    if (role !== undefined) request.admittedAs = role;
    return true;
  }
}
