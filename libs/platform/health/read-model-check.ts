import type { Stages, WatchedModel } from '../telemetry/stages.js';
import type { Finding } from './health-checks.js';

/** A look waits so long for the read model to come to where the store stands. */
const CATCH_UP_MS = 400;
/** Answers may be so old before nobody should be sent here. By time, because positions may have gaps. */
const BEHIND_MS_MAX = 30_000;

/**
 * Whether what a read model answers is fresh: not before it has caught up once, and no longer than half a minute after
 * it last had. Its tables must answer too.
 * @param now monotonic, in ms
 */
export function readModelCheck(
  stages: Stages,
  model: WatchedModel,
  now: () => number = () => performance.now(),
): () => Promise<Finding> {
  const { schema } = model.definition;
  let freshAt: number | undefined;
  return async () => {
    const [head, parked] = await Promise.all([stages.head(), stages.parked(schema)]);
    if (model.fault !== undefined) return { up: false, says: `read model ${schema} stands still: ${model.fault}` };
    const aside = parked === 0 ? '' : `, ${parked} events are parked`;
    if (await caughtUp(model, head)) {
      freshAt = now();
      return { up: true, says: `read model ${schema} is current at ${head}${aside}` };
    }
    const where = `at ${model.position} of ${head}`;
    if (freshAt === undefined) return { up: false, says: `read model ${schema} has not caught up yet, ${where}` };
    const seconds = Math.round((now() - freshAt) / 1_000);
    return {
      up: now() - freshAt <= BEHIND_MS_MAX,
      says: `read model ${schema} is ${seconds} s behind, ${where}${aside}`,
    };
  };
}

function caughtUp(model: WatchedModel, head: bigint): Promise<boolean> {
  return model.reached(head, CATCH_UP_MS).then(
    () => true,
    () => false,
  );
}
