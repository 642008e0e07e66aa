import type { Log } from './log.js';

export interface StandInOptions {
  readonly port?: number;
  /** Keeps events across restarts. */
  readonly journal?: string;
  /** Version that it says it is; below 25.1 it has no multi-stream append. Default 25.1.0. */
  readonly version?: string;
  /** PEM files; without them it speaks plain HTTP/2. With `caFile` it wants a certificate of that authority from users. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string; readonly caFile?: string };
  /** Passwords by user; with them every call needs one. `admin` may do everything, others what {@link may} says. */
  readonly users?: Record<string, string>;
  /** Whether it has the licence that stream policies take. */
  readonly licensed?: boolean;
  /** Makes it a node of a cluster; the first node leads. */
  readonly cluster?: Cluster;
}

/** Nodes that hold one log; one of them leads. */
export interface Cluster {
  readonly log: Log;
  readonly ports: number[];
  leader: number | undefined;
}

/** What can be made to go wrong, so many times. */
export interface StandInFaults {
  /** The connection is cut when the first part of an append has come. */
  cutDuringAppend: number;
  /** The connection is cut before an append is written. */
  cutBeforeAppend: number;
  /** The connection is cut after an append is written, before it is answered. */
  cutAfterAppend: number;
  /** An append is written and never answered. */
  silentAfterAppend: number;
  /** Nothing is answered: to no append, or to nobody at all, as by a server that hangs; what waits is done afterwards. */
  held: 'nothing' | 'appends' | 'everything';
  /** The connections are cut when so many more events have been read or followed, then again after the next number. */
  readonly cutAfterEvents: number[];
}
