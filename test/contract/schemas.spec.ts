import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { catalogue } from '#libs/catalogue';
import type { EventMetadata } from '#libs/kernel';
import { type JsonSchema, schemaId } from '#libs/messaging';

const folder = join(import.meta.dirname, '../../docs/events/schemas');
const published = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.json'));
const schemas = new Map<string, JsonSchema>(
  published.map((file) => [basename(file), JSON.parse(readFileSync(join(folder, file), 'utf8'))]),
);
const samples = readdirSync(join(import.meta.dirname, 'samples')).map((file) => ({
  file,
  data: JSON.parse(readFileSync(join(import.meta.dirname, 'samples', file), 'utf8')),
}));

const metadata: EventMetadata = {
  actor: { kind: 'person', id: '0198c0de-0000-7000-8000-000000000001', role: 'auditor' },
  occurredAt: '2026-01-01T08:00:00.000Z',
  rules: ['gz117:15.3'],
  correlationId: 'c'.repeat(32),
};

describe('JSON Schemas of messages', () => {
  test.each(samples)('$file, as approved, fits the published schema of its version', ({ file, data }) => {
    const schema = z.fromJSONSchema(schemas.get(file)!);
    expect(schema.parse({ data, metadata })).toEqual({ data, metadata });
  });

  test.each(samples)('control: $file with more or less than it has does not fit', ({ file, data }) => {
    const schema = z.fromJSONSchema(schemas.get(file)!);
    expect(schema.safeParse({ data: { ...data, name0: 'x' }, metadata }).success).toBe(false);
    expect(schema.safeParse({ data }).success).toBe(false);
    expect(schema.safeParse({ data, metadata: { ...metadata, actor: {} } }).success).toBe(false);
  });

  test('metadata may gain members without a new version', () => {
    const [{ file, data }] = samples as [(typeof samples)[number]];
    const schema = z.fromJSONSchema(schemas.get(file)!);
    expect(schema.safeParse({ data, metadata: { ...metadata, later: 1 } }).success).toBe(true);
  });

  test.each([...catalogue.entries()])('%s is published in every version, named as its messages name it', (type) => {
    const { version, category, service, meaning } = catalogue.get(type);
    for (let n = 1; n <= version; n += 1) {
      expect(published).toContain(join(service, `${type}.v${n}.json`));
      const schema = schemas.get(`${type}.v${n}.json`)!;
      expect(schema.$id).toBe(schemaId(category, type, n));
      expect(schema.$schema).toBe('https://json-schema.org/draft/2020-12/schema');
    }
    for (const words of meaning) expect(schemas.get(`${type}.v${version}.json`)!.description).toContain(words);
  });
});
