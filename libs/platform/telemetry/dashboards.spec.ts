import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { Metrics, Stages } from '#libs/platform';
import { type Notes, startNotes } from './notes.fixture.js';

const folder = join(import.meta.dirname, '../../../deploy/observability');
const read = (file: string) => readFileSync(join(folder, file), 'utf8');

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly summary_zh: string };
}

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly refId: string; readonly expr: string }[];
}

const rules = (parse(read('alerts.yaml')) as { groups: { rules: Rule[] }[] }).groups.flatMap((group) => group.rules);
const dashboard = JSON.parse(read('grafana-dashboard.json')) as {
  panels: Panel[];
  templating: { list: { name: string; query: string | { query: string } }[] };
};
const variables = dashboard.templating.list.map(({ query }) => (typeof query === 'string' ? query : query.query));
const queries = dashboard.panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr }) => [title, expr] as const),
);

/** Words of PromQL that are no metrics; `up` is what Prometheus itself knows. */
const WORDS = new Set(
  'and or unless on ignoring by without bool offset sum min max avg count topk absent scalar rate increase delta deriv histogram_quantile max_over_time label_values up prometheus'.split(
    ' ',
  ),
);

/** Names of the metrics in an expression: what is left without texts, label lists, durations and numbers. */
function metricsIn(expr: string): string[] {
  const bare = expr
    .replace(/"[^"]*"/g, '')
    .replace(/\b(by|without|on|ignoring)\s*\([^)]*\)/g, '')
    .replace(/\{[^}]*\}|\[[^\]]*\]/g, '')
    .replace(/\boffset\s+\w+|, job\)/g, '')
    .replace(/\b\d[\w.]*\b/g, '');
  return [...bare.matchAll(/[a-zA-Z_:][\w:]*/g)].map(([name]) => name).filter((name) => !WORDS.has(name));
}

/** Label names that an expression asks for. */
function labelsIn(expr: string): string[] {
  const selected = [...expr.matchAll(/\{([^}]*)\}/g)].flatMap(([, list]) => [
    ...list!.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g),
  ]);
  const grouped = [...expr.matchAll(/\b(?:by|on)\s*\(([^)]*)\)/g)].flatMap(([, list]) => [...list!.matchAll(/\w+/g)]);
  return [...selected.map(([, name]) => name!), ...grouped.map(([name]) => name)];
}

let notes: Notes;
/** Names of all series that a process exposes, and of all their labels. */
let exposed: Set<string>;
let labels: Set<string>;

beforeAll(async () => {
  notes = await startNotes();
  const stages = notes.app.get(Stages);
  stages.addDelivered(() => 0n);
  stages.addParked('relay', () => 0);
  stages.addParked('broken', () => Promise.reject(new Error('away')));
  stages.addReadModel({
    definition: { schema: 'notes', entities: [], migrations: [], projections: [] },
    position: 0n,
    reached: async () => {},
    parkedCount: async () => 0,
  });
  await notes.take('a');
  await notes.app.get(Metrics).timePortCall('access', 'decide', async () => {});
  const { body } = await notes.get('/metrics');
  const lines = body.split('\n').filter((line) => line !== '');
  const histograms = lines.flatMap((line) => /^# TYPE (\S+) histogram/.exec(line)?.slice(1) ?? []);
  exposed = new Set([
    ...lines.flatMap((line) => /^# TYPE (\S+) (?:gauge|counter)/.exec(line)?.slice(1) ?? []),
    ...histograms.flatMap((name) => [`${name}_bucket`, `${name}_count`, `${name}_sum`]),
  ]);
  labels = new Set(lines.flatMap((line) => [...line.matchAll(/[{,](\w+)="/g)].map(([, name]) => name!)));
});

afterAll(() => notes.app.close());

/** Put on by Prometheus. */
const BY_PROMETHEUS = ['job', 'instance'];

test('there is something to check', () => {
  expect(rules.length).toBeGreaterThan(10);
  expect(queries.length).toBeGreaterThan(15);
});

test.each(rules.map((rule) => [rule.alert, rule] as const))(
  'alert %s asks for what is exposed, and says what it means',
  (_, rule) => {
    const names = metricsIn(rule.expr);
    if (!rule.expr.startsWith('up{')) expect(names).not.toEqual([]);
    for (const name of names) expect(exposed).toContain(name);
    for (const name of labelsIn(rule.expr)) expect([...labels, ...BY_PROMETHEUS]).toContain(name);
    expect(['page', 'ticket']).toContain(rule.labels.severity);
    expect(rule.annotations.summary.length).toBeGreaterThan(20);
    expect(rule.annotations.summary_zh).toMatch(/[\u4e00-\u9fff]/);
  },
);

test.each([...queries, ...variables.map((query) => ['variable', query] as const)])(
  'panel %s asks for what is exposed: %s',
  (_, expr) => {
    for (const name of metricsIn(expr)) expect(exposed).toContain(name);
    for (const name of labelsIn(expr)) expect([...labels, ...BY_PROMETHEUS]).toContain(name);
  },
);

test('control: a name or label that no process exposes is found', () => {
  expect(metricsIn('sum by (model) (rate(mingjing_projected_total{job=~"$job"}[5m])) / 1.5e9 > 0')).toEqual([
    'mingjing_projected_total',
  ]);
  expect(exposed).not.toContain('mingjing_projected_total');
  expect(labelsIn('sum by (le, rute) (rate(x{rout=~"/api"}[5m]))')).toEqual(['rout', 'le', 'rute']);
});

test('every metric of the hub is shown or watched somewhere', () => {
  const used = new Set([...rules.map(({ expr }) => expr), ...queries.map(([, expr]) => expr)].flatMap(metricsIn));
  const families = [...exposed]
    .filter((name) => name.startsWith('mingjing_'))
    .map((name) => name.replace(/_(bucket|count|sum)$/, ''));
  const unused = [...new Set(families)].filter((family) => ![...used].some((name) => name.startsWith(family)));
  expect(unused).toEqual([]);
});

test('names of alerts and ids of panels stand once, panels do not lie on each other', () => {
  expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
  expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
  const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`),
  );
  expect(new Set(cells).size).toBe(cells.length);
  for (const { gridPos } of dashboard.panels) expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
});
