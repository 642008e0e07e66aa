/**
 * Asks the process beside it, by its own settings, whether it is ready; for containers, whose images have no curl.
 * Usage: node dist/apps/probe/main.js [--standby]
 * Exit code 0: ready, or with `--standby` also waiting for its turn; 1: not.
 */
const { MINGJING_MANAGEMENT_PORT: port } = process.env;
const ANSWER_MS_MAX = 2_000;

try {
  const answer = await fetch(`http://127.0.0.1:${port}/health/ready`, { signal: AbortSignal.timeout(ANSWER_MS_MAX) });
  const { status } = (await answer.json()) as { status?: unknown };
  process.exitCode = answer.ok || (process.argv.includes('--standby') && status === 'standby') ? 0 : 1;
} catch {
  process.exitCode = 1;
}

export {};
