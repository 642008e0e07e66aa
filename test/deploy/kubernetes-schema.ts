import { readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Schema {
  readonly $ref?: string;
  readonly allOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly type?: string;
  readonly format?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly 'x-kubernetes-group-version-kind'?: readonly { group: string; version: string; kind: string }[];
}

/** A Kubernetes object as YAML has it. */
export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
}

/** Holds objects against the OpenAPI documents of Kubernetes: no field that it does not know, every type as it says. */
export class KubernetesSchema {
  readonly #documents = new Map<string, Readonly<Record<string, Schema>>>();

  /** @param folder of OpenAPI documents, `api/v1.json` and `apis/<group>/<version>.json` */
  constructor(private readonly folder: string) {}

  /** @returns what is wrong, with its place; nothing when all is well */
  faults(object: KubernetesObject): readonly string[] {
    const { apiVersion, kind } = object;
    const schemas = this.#schemasOf(apiVersion);
    const [group, version] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion];
    const schema = Object.values(schemas).find((each) =>
      each['x-kubernetes-group-version-kind']?.some(
        (known) => known.kind === kind && known.group === group && known.version === version,
      ),
    );
    return schema === undefined ? [`${apiVersion} has no ${kind}`] : [...this.#walk(object, schema, schemas, kind)];
  }

  #schemasOf(apiVersion: string): Readonly<Record<string, Schema>> {
    const known = this.#documents.get(apiVersion);
    if (known !== undefined) return known;
    const file = apiVersion.includes('/') ? join('apis', `${apiVersion}.json`) : join('api', `${apiVersion}.json`);
    const document = JSON.parse(readFileSync(join(this.folder, file), 'utf8')) as {
      components: { schemas: Record<string, Schema> };
    };
    this.#documents.set(apiVersion, document.components.schemas);
    return document.components.schemas;
  }

  *#walk(value: unknown, given: Schema, schemas: Readonly<Record<string, Schema>>, place: string): Generator<string> {
    const schema = resolved(given, schemas);
    // A quantity, or a port by number or name.
    if (schema.oneOf !== undefined || schema.format === 'int-or-string') {
      if (!['string', 'number'].includes(typeof value)) yield `${place}: neither text nor number`;
      return;
    }
    if (schema.type !== undefined && typeOf(value) !== (schema.type === 'integer' ? 'number' : schema.type)) {
      yield `${place}: ${typeOf(value)} where ${schema.type} belongs`;
      return;
    }
    if (Array.isArray(value)) {
      for (const [i, item] of value.entries()) yield* this.#walk(item, schema.items ?? {}, schemas, `${place}[${i}]`);
      return;
    }
    if (typeof value !== 'object' || value === null) return;
    for (const name of schema.required ?? []) if (!(name in value)) yield `${place}: ${name} is missing`;
    const others = typeof schema.additionalProperties === 'object' ? schema.additionalProperties : undefined;
    for (const [name, item] of Object.entries(value)) {
      const of = schema.properties?.[name] ?? others;
      if (of !== undefined) yield* this.#walk(item, of, schemas, `${place}.${name}`);
      else if (schema.properties !== undefined) yield `${place}: ${name} is not known`;
    }
  }
}

function resolved(schema: Schema, schemas: Readonly<Record<string, Schema>>): Schema {
  const ref = schema.$ref ?? schema.allOf?.[0]?.$ref;
  return ref === undefined ? schema : resolved(schemas[ref.slice(ref.lastIndexOf('/') + 1)]!, schemas);
}

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}
