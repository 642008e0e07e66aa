import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import ts from 'typescript';

const root = join(import.meta.dirname, '..');
const tracked = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((path) => path !== '');
const sources = tracked.filter(
  (path) => /^(apps|libs|test|bench|scripts|examples)\/.*\.ts$/.test(path) && !path.startsWith('bench/peer/'),
);
const read = (path: string) => readFileSync(join(root, path), 'utf8');

describe('house rules', () => {
  test('no file over 400 lines: a reader must be able to hold it in mind', () => {
    const long = sources.filter((path) => !/divisions\.ts$/.test(path) && read(path).split('\n').length > 401);
    expect(long).toEqual([]);
  });

  test('no function over 70 lines: longer ones are numbered steps in waiting', () => {
    const long: string[] = [];
    for (const path of sources.filter((p) => !p.endsWith('.spec.ts') && !p.endsWith('.contract.ts'))) {
      const file = ts.createSourceFile(path, read(path), ts.ScriptTarget.Latest, true);
      const visit = (node: ts.Node): void => {
        if (ts.isFunctionLike(node) && 'body' in node && node.body !== undefined) {
          const lines =
            file.getLineAndCharacterOfPosition(node.end).line -
            file.getLineAndCharacterOfPosition(node.getStart()).line;
          if (lines > 70) long.push(`${path}: ${node.name?.getText() ?? 'anonymous'} has ${lines + 1} lines`);
        }
        ts.forEachChild(node, visit);
      };
      visit(file);
    }
    expect(long).toEqual([]);
  });

  test('names say what a thing is: no helpers, common, utils, manager, impl', () => {
    expect(sources.filter((path) => /(^|[/.-])(helpers?|common|utils?|managers?|impl)([/.-]|$)/.test(path))).toEqual(
      [],
    );
  });

  test('a folder holds three files or more: fewer need no folder', () => {
    const count = new Map<string, number>();
    for (const path of sources) count.set(dirname(path), (count.get(dirname(path)) ?? 0) + 1);
    const thin = [...count].filter(([folder, files]) => files < 3 && /^libs\/[^/]+\/./.test(folder));
    expect(thin.map(([folder]) => folder)).toEqual([]);
  });

  test('evolve folds every event by name: a default would swallow a new one', () => {
    const swallowing = sources.filter((path) => {
      if (!path.endsWith('.decider.ts')) return false;
      const text = read(path);
      const evolve = text.slice(text.search(/function evolve|evolve[(:]/));
      return /default:\s*\n?\s*return/.test(evolve);
    });
    expect(swallowing).toEqual([]);
  });

  test('the domain draws no random number and reads no clock: histories must replay the same', () => {
    const impure = sources.filter(
      (path) =>
        /\.(decider|events)\.ts$/.test(path) &&
        /Date\.now\(|new Date\(\)|Math\.random|randomUUID|newId\(/.test(read(path)),
    );
    expect(impure).toEqual([]);
  });

  test('no secret and no path of one machine stands in the repository', () => {
    const telling = tracked.filter((path) => {
      if (/package-lock\.json$|\.(png|jpg|mp4|m4s)$/.test(path)) return false;
      const text = read(path);
      return (
        /-----BEGIN (RSA |EC )?PRIVATE KEY-----|\/home\/[a-z]+\/|\/root\/[a-z]/.test(text) &&
        path !== 'test/tidy.spec.ts'
      );
    });
    expect(telling).toEqual([]);
  });
});
