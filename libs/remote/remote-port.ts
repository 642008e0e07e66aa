import { z } from 'zod';
import { Refusal, type RefusalKind, type RuleId } from '#libs/kernel';
import { type Metrics, platformRefusals, STATUS } from '#libs/platform';
import { traceHeaders } from '#libs/tracing';
import type { Upstream } from './upstream.js';
import type { WireMethod, WirePort } from './wire-port.js';

const ANSWER_BYTES_MAX = 1024 * 1024;

const KIND = new Map(Object.entries(STATUS).map(([kind, status]) => [status, kind as RefusalKind]));

/** What of a problem document (RFC 9457) makes a refusal again. */
const problem = z.object({
  code: z.string(),
  title: z.string(),
  titleZh: z.string().default(''),
  detail: z.string().default(''),
  rules: z.array(z.string()).default([]),
  facts: z.record(z.string(), z.unknown()).default({}),
});

/**
 * A port that another process serves. Its methods throw the refusals of the far side as if they were near, and
 * `platform.unavailable` when no answer came: for a caller that asks leave, no answer is a no.
 */
export function remotePort<Port extends object>(wire: WirePort<Port>, upstream: Upstream, metrics: Metrics): Port {
  const port = Object.create(wire.port.prototype as object) as Record<string, unknown>;
  for (const [name, method] of Object.entries<WireMethod>(wire.methods)) {
    port[name] = (...args: unknown[]) =>
      metrics.timePortCall(wire.name, name, () => call(upstream, `/ports/${wire.name}/${name}`, method, args));
  }
  return port as Port;
}

async function call(upstream: Upstream, path: string, method: WireMethod, args: readonly unknown[]): Promise<unknown> {
  const request = {
    method: 'POST',
    path,
    headers: { 'content-type': 'application/json', ...traceHeaders() },
    body: JSON.stringify(args),
    deadlineMs: method.deadlineMs,
    repeatable: method.repeatable,
  };
  const { statusCode, text } = await upstream.text(request, ANSWER_BYTES_MAX);
  if (statusCode === 200) return method.result.parse((JSON.parse(text) as { result?: unknown }).result);
  const found = problem.safeParse(jsonOf(text));
  const kind = KIND.get(statusCode);
  if (!found.success || kind === undefined) {
    throw platformRefusals['platform.unavailable'](`${upstream.service} answered ${statusCode} to ${path}`);
  }
  const { code, title, titleZh, detail, rules, facts } = found.data;
  throw new Refusal(code, { kind, title: [title, titleZh], rules: rules as RuleId[] }, detail, facts);
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
