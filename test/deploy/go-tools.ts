import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const CACHE = join(process.cwd(), 'node_modules', '.cache', 'mingjing');
/** Programs and schemas that check what is deployed, by the versions that are known to work here. */
const KUSTOMIZE = 'sigs.k8s.io/kustomize/kustomize/v5@v5.7.1';
/** The reader of Compose files that docker compose itself uses. */
const COMPOSE = 'github.com/compose-spec/compose-go/v2/cmd@v2.9.1';
/** Carries the OpenAPI documents of Kubernetes. */
const SCHEMAS = 'sigs.k8s.io/kubectl-validate@v0.0.4';
const BUILD_MS_MAX = 600_000;

/** Path of kustomize, built at the first call. @throws Error when Go is missing */
export const kustomize = () => goProgram('kustomize', KUSTOMIZE);

/** Path of the checker of Compose files, built at the first call. @throws Error when Go is missing */
export const composeChecker = () => goProgram('compose', COMPOSE);

/** Folder of the OpenAPI documents of one version of Kubernetes. @throws Error when Go is missing */
export function kubernetesSchemas(version: string): string {
  const said = execFileSync('go', ['mod', 'download', '-json', SCHEMAS], { encoding: 'utf8', timeout: BUILD_MS_MAX });
  return join((JSON.parse(said) as { Dir: string }).Dir, 'pkg', 'openapiclient', 'builtins', version);
}

function goProgram(name: string, source: string): string {
  const program = join(CACHE, `${name}-${source.slice(source.indexOf('@') + 1)}`);
  if (existsSync(program)) return program;
  mkdirSync(CACHE, { recursive: true });
  const fresh = mkdtempSync(join(CACHE, `${name}-`));
  try {
    const env = { ...process.env, GOBIN: fresh, GOFLAGS: '-buildvcs=false' };
    execFileSync('go', ['install', source], { env, stdio: ['ignore', 'ignore', 'inherit'], timeout: BUILD_MS_MAX });
    // go names it after the last part of its path; another process may have been quicker.
    renameSync(join(fresh, name === 'compose' ? 'cmd' : name), program);
    return program;
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}
