import { Body, Controller, HttpCode, Inject, Param, Post } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { ApiExcludeController } from '@nestjs/swagger';
import { Public, platformRefusals } from '#libs/platform';
import type { WireMethod, WirePort } from './wire-port.js';

/** Injection token of the ports that this process serves. */
export const SERVED_PORTS = Symbol('served ports');

/** Answers calls of ports. Who may call is settled before, by the caller's certificate; see {@link Peers}. */
@ApiExcludeController()
@Controller('ports')
@Public()
export class PortController {
  constructor(
    @Inject(SERVED_PORTS) private readonly ports: readonly WirePort[],
    @Inject(ModuleRef) private readonly modules: ModuleRef,
  ) {}

  @Post(':port/:method')
  @HttpCode(200)
  async call(
    @Param() { port: portName, method: methodName }: { port: string; method: string },
    @Body() body: unknown,
  ): Promise<{ result: unknown }> {
    const wire = this.ports.find(({ name }) => name === portName);
    const method = wire && Object.entries<WireMethod>(wire.methods).find(([name]) => name === methodName)?.[1];
    if (wire === undefined || method === undefined) throw platformRefusals['platform.not-found']('no such port');
    const args = method.args.safeParse(body);
    if (!args.success) {
      const [issue] = args.error.issues;
      throw platformRefusals['platform.invalid-input'](`${issue?.path.join('.')}: ${issue?.message}`);
    }
    const served = this.modules.get<Record<string, (...given: readonly unknown[]) => Promise<unknown>>>(
      wire.port as never,
      { strict: false },
    );
    return { result: await served[methodName]!(...args.data) };
  }
}
