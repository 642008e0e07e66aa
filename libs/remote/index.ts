export { makeCertificates } from './authority.js';
export { admitPeers } from './peers.js';
export { PortController, SERVED_PORTS } from './port.controller.js';
export { remotePort } from './remote-port.js';
export { type ProxyRoute, proxyTo } from './reverse-proxy.js';
export { TlsIdentity } from './tls-identity.js';
export { ELSEWHERE_HEADER, Upstream } from './upstream.js';
export { defineWirePort, type WirePort } from './wire-port.js';
