import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { SECRET_SETTINGS, settings } from '#libs/platform';

const FOLDER = 'docs/operations';
const pages = readdirSync(FOLDER).map((file) => [file, readFileSync(join(FOLDER, file), 'utf8')] as const);

test.each(pages)('%s names settings, files and programs that exist', (file, text) => {
  for (const [variable, name] of text.matchAll(/MINGJING_([A-Z_]+[A-Z])/g)) {
    const known = name! in settings.shape || SECRET_SETTINGS.some((secret) => `${secret}_FILE` === name);
    expect([file, variable, known]).toEqual([file, variable, true]);
  }
  for (const [, link] of text.matchAll(/\]\(([^)#]+)\)/g)) {
    if (!/^https?:/.test(link!))
      expect([link, existsSync(join(dirname(join(FOLDER, file)), link!))]).toEqual([link, true]);
  }
  for (const [, program] of text.matchAll(/dist\/((?:apps|scripts)\/[\w/-]+)\.js/g)) {
    expect([program, existsSync(`${program}.ts`)]).toEqual([program, true]);
  }
  for (const [, path] of text.matchAll(
    /(deploy\/(?:kubernetes\/overlays\/(?:county|province)|compose[\w./]*|Containerfile))/g,
  )) {
    expect([path, existsSync(path!)]).toEqual([path, true]);
  }
});

test.each(pages.filter(([file]) => file !== 'backup.md'))('%s begins with a summary in Chinese', (_, text) => {
  expect(text.split('\n').slice(0, 4).join('\n')).toMatch(/\*\*概要。\*\*/);
});
