import { lookup as systemLookup } from 'node:dns/promises';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { BlockList, isIP, isIPv6, SocketAddress } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { mediaRefusals } from './media.refusals.js';
import type { SourceProtocol } from './ports.js';

/** Where the gateway may fetch from, besides the private networks in which cameras live. */
export interface SourcePolicy {
  /** CIDRs, such as `203.0.113.0/24`; they also open what is otherwise refused, such as `127.0.0.1/32`. */
  readonly networks: readonly string[];
  /** Folder whose files may be sources. */
  readonly folder: string | undefined;
}

/** A source on the network; whoever fetches it MUST connect to `ip`, never resolve the name again. */
export interface NetworkSource {
  readonly protocol: 'rtsp' | 'rtmp' | 'http';
  /** Normalised, without credentials. */
  readonly url: URL;
  readonly tls: boolean;
  readonly ip: string;
  readonly port: number;
}

/** A file that may be a source; opened, so that nothing can be put in its place. */
interface FileSource {
  readonly protocol: 'file';
  readonly file: FileHandle;
}

export type CheckedSource = NetworkSource | FileSource;

type Lookup = (host: string) => Promise<readonly string[]>;

const SCHEMES: Readonly<Record<string, { protocol: NetworkSource['protocol']; port: number; tls: boolean }>> = {
  'rtsp:': { protocol: 'rtsp', port: 554, tls: false },
  'rtsps:': { protocol: 'rtsp', port: 322, tls: true },
  'rtmp:': { protocol: 'rtmp', port: 1935, tls: false },
  'rtmps:': { protocol: 'rtmp', port: 443, tls: true },
  'http:': { protocol: 'http', port: 80, tls: false },
  'https:': { protocol: 'http', port: 443, tls: true },
};

/** RFC 1918 and RFC 4193. Everything else is refused unless configured: loopback, link-local, multicast, the internet. */
const PRIVATE_NETWORKS = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'];
/** A metadata service of a cloud that hides among the unique local addresses. */
const NEVER_BY_DEFAULT = ['fd00:ec2::/32'];

const ADDRESS_CHARACTERS_MAX = 500;
const RESOLVED_MAX = 16;
const RESOLVE_MS_MAX = 5_000;
const FILE_NAME = /^[\p{L}\p{N}][\p{L}\p{N} ._-]{0,199}$/u;

/**
 * Checks an address that a user gave before anything fetches it (server-side request forgery, CWE-918): the name is
 * resolved once, every address behind it must be allowed, and the one checked is the one to connect to.
 */
export class SourceGuard {
  readonly #configured: BlockList;
  readonly #private = blockList(PRIVATE_NETWORKS);
  readonly #never = blockList(NEVER_BY_DEFAULT);

  /** @throws TypeError naming a network that is no CIDR */
  constructor(
    private readonly policy: SourcePolicy,
    private readonly lookup: Lookup = resolve,
  ) {
    this.#configured = blockList(policy.networks);
  }

  /** @throws Refusal `media.address-malformed`, `media.address-not-allowed`, `media.address-unknown` */
  async check(protocol: SourceProtocol, address: string): Promise<CheckedSource> {
    if (protocol === 'file') return { protocol, file: await this.#openFile(address) };
    const { url, scheme } = parse(protocol, address);
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const found = isIP(host) === 0 ? await this.#resolve(host) : [host];
    for (const ip of found) {
      if (!this.allows(ip)) {
        throw mediaRefusals['media.address-not-allowed']('neither a private nor a configured network');
      }
    }
    const port = url.port === '' ? scheme.port : Number(url.port);
    return { protocol, url, tls: scheme.tls, ip: found[0]!, port };
  }

  /** Whether the gateway may connect to an IP address; an IPv4 address in IPv6 dress counts as what it is. */
  allows(ip: string): boolean {
    const plain = withoutDisguise(ip);
    if (plain === undefined) return false;
    const family = isIPv6(plain) ? 'ipv6' : 'ipv4';
    if (this.#configured.check(plain, family)) return true;
    return this.#private.check(plain, family) && !this.#never.check(plain, family) && !isOwn(plain);
  }

  async #resolve(host: string): Promise<readonly string[]> {
    let timer: NodeJS.Timeout | undefined;
    const tooLong = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('timed out')), RESOLVE_MS_MAX);
    });
    try {
      const found = await Promise.race([this.lookup(host), tooLong]);
      if (found.length > 0 && found.length <= RESOLVED_MAX) return found;
    } catch {
      // falls through: to the caller, every way of not resolving is the same
    } finally {
      clearTimeout(timer);
    }
    throw mediaRefusals['media.address-unknown'](`no usable answer for ${host}`);
  }

  async #openFile(name: string): Promise<FileHandle> {
    const { folder } = this.policy;
    if (folder === undefined) throw mediaRefusals['media.address-not-allowed']('no folder of sources is configured');
    if (!FILE_NAME.test(name)) throw malformed('the plain name of a file in the configured folder');
    let file: FileHandle | undefined;
    try {
      // O_NONBLOCK: opening a FIFO must not hang.
      file = await open(join(folder, name), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
      if ((await file.stat()).isFile()) return file;
    } catch {
      // falls through: what else lies in the folder is nobody's business
    }
    await file?.close();
    throw mediaRefusals['media.address-not-allowed']('no such file in the configured folder');
  }
}

function parse(protocol: SourceProtocol, address: string) {
  if (address.length > ADDRESS_CHARACTERS_MAX || !/^[\x21-\x7e]+$/.test(address) || /[\\#"<>^`{|}]/.test(address)) {
    throw malformed('printable ASCII without quotes, brackets, backslash or fragment');
  }
  const [, name = '', rest = ''] = /^([a-z]+):\/\/(.+)$/i.exec(address) ?? [];
  const scheme = SCHEMES[`${name.toLowerCase()}:`];
  if (scheme?.protocol !== protocol || rest.startsWith('/'))
    throw malformed(`not an address of the protocol ${protocol}`);
  // Parsed as http, because only then does the URL standard normalise the host (0x7f.1, 2130706433, %31, full width).
  const url = URL.parse(`http://${rest}`);
  if (url === null || url.hostname === '') throw malformed('no host');
  if (url.username !== '' || url.password !== '' || rest.split('/', 1)[0]!.includes('@')) {
    throw malformed('credentials are given apart');
  }
  const explicitPort = /:(\d+)$/.exec(rest.split(/[/?]/, 1)[0]!)?.[1];
  const authority = explicitPort === undefined ? url.hostname : `${url.hostname}:${Number(explicitPort)}`;
  if (explicitPort === '0' || explicitPort === '00') throw malformed('port 0');
  const normal = URL.parse(`${name.toLowerCase()}://${authority}${url.pathname}${url.search}`);
  if (normal === null) throw malformed('no URL');
  return { url: normal, scheme };
}

const malformed = (detail: string) => mediaRefusals['media.address-malformed'](detail);

/** IPv4 out of IPv4-mapped IPv6 (RFC 4291 §2.5.5.2); undefined for what is no address or bound to an interface. */
function withoutDisguise(ip: string): string | undefined {
  if (isIP(ip) === 0 || ip.includes('%')) return undefined;
  if (!isIPv6(ip)) return ip;
  const { address } = new SocketAddress({ address: ip, family: 'ipv6' });
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(address)?.[1];
  return mapped ?? address;
}

/** Whether the address is one of this machine: what listens there is no camera. */
function isOwn(ip: string): boolean {
  return Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ address }) => address === ip));
}

function blockList(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', prefix = ''] = network.split('/');
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    if (isIP(address) === 0 || !/^\d{1,3}$/.test(prefix) || Number(prefix) > (family === 'ipv6' ? 128 : 32)) {
      throw new TypeError(`${network} is not a network in CIDR notation`);
    }
    list.addSubnet(address, Number(prefix), family);
  }
  return list;
}

async function resolve(host: string): Promise<readonly string[]> {
  return (await systemLookup(host, { all: true })).map(({ address }) => address);
}
