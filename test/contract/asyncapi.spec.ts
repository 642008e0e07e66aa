import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DiagnosticSeverity, Parser } from '@asyncapi/parser';
import { parse } from 'yaml';
import { catalogue } from '#libs/catalogue';
import { CONCERNS, topicsOf } from '#libs/messaging';

const source = readFileSync(join(import.meta.dirname, '../../docs/asyncapi.yaml'), 'utf8');

type Parsed = Awaited<ReturnType<Parser['parse']>>;
const errorsOf = ({ diagnostics }: Parsed) =>
  diagnostics
    .filter(({ severity }) => severity === DiagnosticSeverity.Error || severity === DiagnosticSeverity.Warning)
    .map(({ code, message, path }) => `${code} at ${path.join('.')}: ${message}`);

describe('docs/asyncapi.yaml', () => {
  let parsed: Parsed;

  beforeAll(async () => {
    parsed = await new Parser().parse(source);
  });

  test('is an AsyncAPI 3.0 document without fault or warning', () => {
    expect(errorsOf(parsed)).toEqual([]);
  });

  test('control: a channel that names no message of the document is a fault', async () => {
    const broken = source.replace(
      '$ref: "#/components/messages/GrantIssued.v1"',
      '$ref: "#/components/messages/GrantIssued.v9"',
    );
    expect(broken).not.toBe(source);
    expect(errorsOf(await new Parser().parse(broken)).length).toBeGreaterThan(0);
  });

  test('has every event type as a message, with the headers of a CloudEvent', () => {
    const messages = parsed.document!.components().messages().all();
    const events = messages.filter((message) => message.id() !== 'deadLetter');
    expect(events.map((message) => message.id()).sort()).toEqual(
      [...catalogue.entries()].map(([type, { version }]) => `${type}.v${version}`).sort(),
    );
    for (const message of events) {
      const headers = message.headers()!.properties()!;
      expect(headers.ce_type!.const()).toBe(message.name());
      expect(headers.ce_specversion!.const()).toBe('1.0');
      expect(message.headers()!.required()).toContain('ce_sequence');
    }
  });

  test('has every topic as a channel that carries the types that go there, and no other', () => {
    const { channels } = parse(source) as {
      channels: Record<string, { address: string; messages: Record<string, unknown> }>;
    };
    const addresses = Object.values(channels).map(({ address }) => address);
    expect(addresses).toEqual([
      ...topicsOf(catalogue),
      'mingjing.department.{organisationId}.v1',
      'mingjing.bureau.{organisationId}.v1',
      'mingjing.dead-letters.v1',
    ]);
    const carried = (name: string) => Object.keys(channels[name]!.messages).map((message) => message.split('.')[0]!);
    for (const [type, { service, category }] of catalogue.entries()) {
      for (const other of catalogue.streams)
        expect(carried(other.service).includes(type)).toBe(other.service === service);
      expect(carried('bureau')).toContain(type);
      if (CONCERNS[category]!.whom === 'nobody') expect(carried('department')).not.toContain(type);
    }
    expect(carried('department')).not.toContain('SignInEnrolled');
    expect(carried('department')).toContain('GrantIssued');
  });
});
