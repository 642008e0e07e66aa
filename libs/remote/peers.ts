import type { TLSSocket } from 'node:tls';
import type { FastifyInstance } from 'fastify';
import { platformRefusals, problemOf, STATUS } from '#libs/platform';
import type { WirePort } from './wire-port.js';

/**
 * Lets in only the peers that have business here, by the common name of their certificate: the gateway with its users'
 * requests, and the callers of each port. What comes without TLS is the management listener, which has its own bounds.
 */
export function admitPeers(fastify: FastifyInstance, ports: readonly WirePort[]): void {
  const callers = new Map(ports.map(({ name, callers }) => [name, callers]));
  fastify.addHook('onRequest', async (request, reply) => {
    const socket = request.raw.socket as Partial<TLSSocket>;
    if (socket.encrypted !== true) return;
    const peer = socket.getPeerCertificate?.().subject?.CN;
    const port = /^\/ports\/([^/?]*)/.exec(request.url)?.[1];
    const welcome = port === undefined ? ['gateway'] : (callers.get(port) ?? []);
    if (typeof peer === 'string' && welcome.includes(peer)) return;
    const refusal = platformRefusals['platform.forbidden']('this peer has no business here');
    await reply
      .status(STATUS[refusal.kind])
      .type('application/problem+json')
      .send(JSON.stringify(problemOf(refusal)));
  });
}
