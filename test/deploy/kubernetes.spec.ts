import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { accessWire, mediaWire } from '#libs/media';
import { SECRET_SETTINGS, SERVICES, settings } from '#libs/platform';
import { PROCESSES, type ProcessName } from '../../apps/composition/provision.js';
import { filesOf } from '../../apps/provision/secrets.js';
import { kubernetesSchemas, kustomize } from './go-tools.js';
import { type KubernetesObject, KubernetesSchema } from './kubernetes-schema.js';
import { neededSettings, settingsIn } from './settings.js';

interface Container {
  readonly name: string;
  readonly image: string;
  readonly args: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value: string }[];
  readonly envFrom?: readonly { readonly configMapRef: { readonly name: string } }[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly securityContext: Readonly<Record<string, unknown>>;
  readonly resources: { readonly limits?: { readonly memory?: string }; readonly requests?: object };
  readonly startupProbe?: Probe;
  readonly livenessProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[];
}
interface Probe {
  readonly httpGet?: { readonly port: string | number };
  readonly exec?: { readonly command: readonly string[] };
}
interface Volume {
  readonly name: string;
  readonly secret?: { readonly secretName: string };
  readonly projected?: { readonly sources: readonly { readonly secret: { name: string; items: { key: string }[] } }[] };
}
interface Peer {
  readonly podSelector?: Selector;
  readonly namespaceSelector?: Selector;
  readonly ipBlock?: { readonly cidr: string };
}
interface Rule {
  readonly from?: readonly Peer[];
  readonly to?: readonly Peer[];
  readonly ports?: readonly { readonly port: number }[];
}
interface Selector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly { key: string; values: readonly string[] }[];
}
interface Resource extends KubernetesObject {
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: {
    readonly replicas?: number;
    readonly selector?: Selector & Readonly<Record<string, string>>;
    readonly podSelector?: Selector;
    readonly ports?: readonly { readonly port: number; readonly targetPort: string }[];
    readonly ingress?: readonly Rule[];
    readonly egress?: readonly Rule[];
    readonly template?: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> };
      readonly spec: Readonly<Record<string, unknown>> & {
        readonly containers: readonly Container[];
        readonly volumes: readonly Volume[];
      };
    };
  };
}

const NAME = 'app.kubernetes.io/name';
const build = (overlay: string) => {
  const folder = join(process.cwd(), 'deploy', 'kubernetes', 'overlays', overlay);
  const text = execFileSync(kustomize(), ['build', folder], { encoding: 'utf8', maxBuffer: 2 ** 26 });
  return parseAllDocuments(text).map((document) => document.toJS() as Resource);
};
const overlays: Readonly<Record<string, readonly Resource[]>> = {
  county: build('county'),
  province: build('province'),
};
const schema = new KubernetesSchema(kubernetesSchemas('1.30'));
const workloads = (resources: readonly Resource[]) => resources.filter(({ spec }) => spec?.template !== undefined);
const nameOf = ({ spec }: Resource) => spec!.template!.metadata.labels[NAME]!;
const processOf = (workload: Resource) => workload.spec!.template!.spec.containers[0]!;
const selects = (selector: Selector | undefined, labels: Readonly<Record<string, string>>) =>
  Object.entries(selector?.matchLabels ?? {}).every(([key, value]) => labels[key] === value) &&
  (selector?.matchExpressions ?? []).every(({ key, values }) => values.includes(labels[key] ?? ''));

function environmentOf(workload: Resource, resources: readonly Resource[]): Record<string, string> {
  const { env = [], envFrom = [] } = processOf(workload);
  const maps = envFrom.map(({ configMapRef: { name } }) => {
    const map = resources.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === name);
    if (map === undefined) throw new Error(`no ConfigMap ${name}`);
    return map.data!;
  });
  return Object.assign({}, ...maps, Object.fromEntries(env.map(({ name, value }) => [name, value])));
}

describe.each(Object.entries(overlays))('%s', (overlay, resources) => {
  test('fits the schemas of Kubernetes; a field with a slip in it would not', () => {
    // The operator of Prometheus brings its own kinds.
    const known = resources.filter(({ apiVersion }) => !apiVersion.startsWith('monitoring.coreos.com/'));
    expect(known.flatMap((resource) => schema.faults(resource))).toEqual([]);
    const slip = structuredClone(workloads(resources)[0]!) as { spec: { template: { spec: Record<string, unknown> } } };
    slip.spec.template.spec.hostNetwrok = 'yes';
    slip.spec.template.spec.terminationGracePeriodSeconds = 'long';
    expect(schema.faults(slip as unknown as Resource)).toHaveLength(2);
  });

  test('every container runs as nobody in particular, on a file system it cannot write, with no right it does not need', () => {
    for (const workload of workloads(resources)) {
      const { containers, securityContext, ...pod } = workload.spec!.template!.spec;
      expect(securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 1000, fsGroup: 1000 });
      expect(securityContext).toMatchObject({ seccompProfile: { type: 'RuntimeDefault' } });
      expect(pod).toMatchObject({ automountServiceAccountToken: false, enableServiceLinks: false });
      expect(pod).not.toHaveProperty('hostNetwork');
      for (const { securityContext: own, resources: room } of containers) {
        expect(own).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        });
        expect(room.limits?.memory).toBeDefined();
        expect(room.requests).toMatchObject({ cpu: expect.anything(), memory: expect.anything() });
      }
    }
  });

  test('every process is asked how it is on its management port, and has time to end', () => {
    for (const workload of workloads(resources).filter(({ kind }) => kind !== 'Job')) {
      const { ports = [], startupProbe, livenessProbe, readinessProbe } = processOf(workload);
      const management = ports.find(({ name }) => name === 'management')!.containerPort;
      expect(String(management)).toBe('9090');
      for (const probe of [startupProbe, livenessProbe]) expect(probe?.httpGet?.port).toBe('management');
      const standsBy = readinessProbe?.exec?.command;
      if (standsBy === undefined) expect(readinessProbe?.httpGet?.port).toBe('management');
      else expect(standsBy).toEqual(['node', '/app/dist/apps/probe/main.js', '--standby']);
      expect(workload.spec!.template!.spec.terminationGracePeriodSeconds).toBeGreaterThan(10 + 60);
    }
  });

  test('images are pinned, programs are there', () => {
    for (const workload of workloads(resources)) {
      const { image, args } = processOf(workload);
      expect(image).toMatch(/^[\w.-]+\.[\w.-]+\/[\w/-]+:\d+\.\d+\.\d+$|@sha256:[0-9a-f]{64}$/);
      expect(existsSync(args[0]!.replace(/^dist\//, '').replace(/\.js$/, '.ts'))).toBe(true);
    }
  });

  test('every setting exists and has a value of its form; every one that is needed is given', () => {
    for (const workload of workloads(resources).filter(({ kind }) => kind !== 'Job')) {
      const name = nameOf(workload);
      const given = settingsIn(environmentOf(workload, resources));
      expect(settings.partial().safeParse(given.values).error?.issues ?? []).toEqual([]);
      expect(neededSettings(name).filter((setting) => !given.names.includes(setting))).toEqual([]);
    }
  });

  test('every secret comes from a file that provisioning makes, and lies where the settings say', () => {
    for (const workload of workloads(resources)) {
      const { volumeMounts } = processOf(workload);
      const { volumes } = workload.spec!.template!.spec;
      for (const { name, mountPath } of volumeMounts) {
        const secret = volumes.find((volume) => volume.name === name)?.secret?.secretName;
        if (secret !== undefined)
          expect(['mingjing-https', 'mingjing-database', `mingjing-${nameOf(workload)}`]).toContain(secret);
        if (mountPath.startsWith('/run/'))
          expect(volumeMounts.find((m) => m.mountPath === mountPath)?.readOnly).toBe(true);
      }
      for (const value of Object.values(environmentOf(workload, resources))) {
        const [, folder, file] = /^(\/run\/\w+)\/([\w.-]+)$/.exec(value) ?? [];
        if (folder === undefined) continue;
        const mounted = volumeMounts.find(({ mountPath }) => mountPath === folder)?.name;
        expect([value, mounted]).toEqual([value, expect.any(String)]);
        if (folder === '/run/mingjing' && workload.kind !== 'Job') {
          expect(filesOf(nameOf(workload) as ProcessName)).toContain(file);
        }
      }
    }
    expect(resources.filter(({ kind }) => kind === 'Secret')).toEqual([]);
  });

  test('no secret stands in a setting', () => {
    for (const { data } of resources.filter(({ kind }) => kind === 'ConfigMap')) {
      for (const name of SECRET_SETTINGS) expect(Object.keys(data!)).not.toContain(`MINGJING_${name}`);
    }
  });

  test('every service leads to a port of a pod', () => {
    for (const { spec, metadata } of resources.filter(({ kind }) => kind === 'Service')) {
      const pods = workloads(resources).filter((workload) =>
        selects({ matchLabels: spec!.selector! }, workload.spec!.template!.metadata.labels),
      );
      expect([metadata.name, pods.map(nameOf)]).toEqual([metadata.name, [metadata.name]]);
      for (const { targetPort } of spec!.ports!) {
        expect(processOf(pods[0]!).ports?.map(({ name }) => name)).toContain(targetPort);
      }
    }
  });

  test('nothing is open that is not opened: everything is closed, and every opening is for somebody', () => {
    const policies = resources.filter(({ kind }) => kind === 'NetworkPolicy');
    expect(policies.find(({ metadata }) => metadata.name === 'closed')?.spec).toEqual({
      podSelector: {},
      policyTypes: ['Ingress', 'Egress'],
    });
    for (const { spec, metadata } of policies) {
      const chosen = workloads(resources).filter((w) => selects(spec!.podSelector, w.spec!.template!.metadata.labels));
      expect([metadata.name, chosen.length > 0]).toEqual([metadata.name, true]);
      for (const { ports = [] } of spec!.ingress ?? []) {
        for (const { port } of ports) expect([8443, 9090]).toContain(port);
      }
      for (const { to = [] } of spec!.egress ?? [])
        expect([metadata.name, to.length > 0]).toEqual([metadata.name, true]);
    }
  });

  test('everything lies in the one namespace, which takes no pod with more rights', () => {
    const names = resources.map(({ kind, metadata }) => (kind === 'Namespace' ? metadata.name : metadata.namespace));
    expect(new Set(names)).toEqual(new Set(['mingjing']));
  });

  test('dashboard and alert rules come with it', () => {
    const maps = resources.filter(({ kind }) => kind === 'ConfigMap').map(({ data }) => Object.keys(data!));
    expect(maps).toContainEqual(['grafana-dashboard.json']);
    expect(maps).toContainEqual(['alerts.yaml']);
    expect(overlay).toMatch(/county|province/);
  });
});

describe('the province', () => {
  const resources = overlays.province!;
  const policies = resources.filter(({ kind }) => kind === 'NetworkPolicy');
  /** Who may open a connection to the port of services of a process, and whom it may call there. */
  const peersOf = (name: string, way: 'ingress' | 'egress') =>
    policies
      .filter(({ spec }) => spec!.podSelector?.matchLabels?.[NAME] === name)
      .flatMap(({ spec }) => spec![way] ?? [])
      .filter(({ ports }) => ports?.some(({ port }) => port === 8443))
      .flatMap((rule: Rule) => rule.from ?? rule.to ?? [])
      .flatMap(({ podSelector }) => podSelector?.matchLabels?.[NAME] ?? [])
      .sort();

  test('has every process', () => {
    expect(workloads(resources).map(nameOf).sort()).toEqual([...PROCESSES, 'database'].sort());
  });

  test('who may call whom is who has business there, in the programs’ own words', () => {
    const callers = (service: string) => [
      'gateway',
      ...[accessWire, mediaWire].filter(({ name }) => name === service).flatMap((wire) => wire.callers),
    ];
    for (const service of SERVICES)
      expect([service, peersOf(service, 'ingress')]).toEqual([service, callers(service).sort()]);
    for (const caller of PROCESSES) {
      const asks = SERVICES.filter((service) => callers(service).includes(caller));
      expect([caller, peersOf(caller, 'egress')]).toEqual([caller, [...asks].sort()]);
    }
  });

  test('a process survives the loss of a node and the restart of a replica', () => {
    const budgets = resources.filter(({ kind }) => kind === 'PodDisruptionBudget');
    for (const workload of workloads(resources).filter(({ kind }) => kind !== 'Job')) {
      const { spec } = workload;
      expect(spec!.replicas).toBeGreaterThan(1);
      expect(budgets.filter((budget) => selects(budget.spec!.selector, spec!.template!.metadata.labels))).toHaveLength(
        1,
      );
      expect(spec!.template!.spec).toHaveProperty('affinity.podAntiAffinity');
      expect(spec!.template!.spec).toHaveProperty('topologySpreadConstraints');
    }
  });

  test('each replica of media is known by its own name: one leads, the other stands by', () => {
    const media = workloads(resources).find((workload) => nameOf(workload) === 'media')!;
    const urls = Array.from({ length: media.spec!.replicas! }, (_, i) => `https://media-${i}.media:8443`);
    expect(environmentOf(media, resources).MINGJING_MEDIA_URLS).toBe(urls.join(','));
  });

  test('the job that prepares the database gets the password of every role and no key', () => {
    const job = workloads(resources).find(({ kind }) => kind === 'Job')!;
    const sources = job.spec!.template!.spec.volumes.flatMap(({ projected }) => projected?.sources ?? []);
    expect(sources.map(({ secret }) => secret.name)).toEqual(PROCESSES.map((name) => `mingjing-${name}`));
    for (const { secret } of sources) expect(secret.items.map(({ key }) => key)).toEqual(['database-url']);
  });
});
