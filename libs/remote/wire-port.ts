import type { z } from 'zod';

/** How one method of a port travels. */
export interface WireMethod {
  /** Tuple of the arguments as JSON. */
  readonly args: z.ZodType<readonly unknown[]>;
  readonly result: z.ZodType;
  /** Whether a second call with the same arguments does no harm. */
  readonly repeatable: boolean;
  /** Milliseconds within which an answer must come. */
  readonly deadlineMs: number;
}

/** A port (abstract class) as other processes may call it: over HTTP, JSON in, JSON or a problem document out. */
export interface WirePort<Port extends object = object> {
  /** Stands in the address: `/ports/<name>/<method>`. */
  readonly name: string;
  readonly port: abstract new (...args: never[]) => Port;
  /** Services that may call it. */
  readonly callers: readonly string[];
  readonly methods: { readonly [M in keyof Port & string]: WireMethod };
}

/** Declares how a port travels; every method must be named. */
export function defineWirePort<Port extends object>(wire: WirePort<Port>): WirePort<Port> {
  return wire;
}
