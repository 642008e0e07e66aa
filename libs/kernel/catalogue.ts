import type { EventDeclaration, StreamEvents } from './events.js';

/** Every event type that exists, by name; built once from all declarations by the composition root. */
export class EventCatalogue {
  readonly #types = new Map<string, EventDeclaration & { readonly category: string; readonly service: string }>();

  constructor(readonly streams: readonly StreamEvents[]) {
    for (const { category, service, types } of streams) {
      for (const [type, declaration] of Object.entries(types)) {
        if (this.#types.has(type)) throw new Error(`event ${type} is declared twice`);
        this.#types.set(type, { ...declaration, category, service });
      }
    }
  }

  /** Declaration of a type. @throws Error when nobody declared it */
  get(type: string): EventDeclaration & { readonly category: string; readonly service: string } {
    const declaration = this.#types.get(type);
    if (declaration === undefined) throw new Error(`event ${type} is not in the catalogue`);
    return declaration;
  }

  /** Checks the data of a new event against its schema. @throws ZodError naming the path that does not fit */
  validate(type: string, data: unknown): unknown {
    return this.get(type).data.parse(data);
  }

  /** Brings stored data of an older version to the current shape; today's data passes through untouched. */
  upcast(type: string, version: number, data: unknown): unknown {
    const declaration = this.get(type);
    let current = data;
    for (let v = version; v < declaration.version; v += 1) {
      const step = declaration.upcast?.[v];
      if (step === undefined) throw new Error(`event ${type} has no upcaster from version ${v}`);
      current = step(current as never);
    }
    return current;
  }

  entries(): IterableIterator<[string, EventDeclaration & { readonly category: string; readonly service: string }]> {
    return this.#types.entries();
  }
}
