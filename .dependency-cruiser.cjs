/** Dependency rules; each says why. */
module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      comment: 'a cycle cannot be understood, tested or taken apart one piece at a time',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'libraries-only-through-their-index',
      comment: 'what a library does not export is its own affair; deep imports make it everybody’s',
      severity: 'error',
      from: { path: '^libs/([^/]+)/' },
      // A contract is there to be run by whoever implements the port.
      to: { path: '^libs/[^/]+/(?!index\\.ts$)', pathNot: ['^libs/$1/', '\\.contract\\.ts$'] },
    },
    {
      name: 'apps-and-tests-only-through-an-index',
      comment: 'a composition root that reaches inside a library composes nothing',
      severity: 'error',
      from: { path: '^(apps|bench|test|scripts|examples)/' },
      to: {
        path: '^libs/[^/]+/(?!index\\.ts$)',
        // Test runs start their PostgreSQL without loading Nest.
        pathNot: '^libs/platform/embedded-postgres\\.ts$',
      },
    },
    {
      name: 'examples-stand-alone',
      comment: 'a department starts from an example with what is published, not with the insides of the hub',
      severity: 'error',
      from: { path: '^examples/', pathNot: '\\.spec\\.ts$' },
      to: { path: '^(apps|libs|test|bench|scripts)/' },
    },
    {
      name: 'one-kafka-adapter',
      comment: 'the client is behind a port of ours, so that it can be replaced when it fails a guarantee',
      severity: 'error',
      from: { path: '^(apps|libs|bench|scripts)/', pathNot: 'libs/messaging/platformatic-|\\.(spec|fixture)\\.ts$' },
      to: { path: 'node_modules/@platformatic/kafka/' },
    },
    {
      name: 'libs-do-not-know-apps',
      comment: 'apps are composition roots: they know the libraries, never the other way round',
      severity: 'error',
      from: { path: '^libs/' },
      to: { path: '^(apps|bench|scripts|examples)/' },
    },
    {
      name: 'domain-is-pure',
      comment: 'deciders and events must run anywhere and forever: no framework, no I/O, no clock',
      severity: 'error',
      from: { path: '\\.(decider|events)\\.ts$' },
      to: {
        path: '(node_modules/(@nestjs|typeorm|pg|fastify)/|^(node:|fs|net|http|crypto)|libs/(platform|event-store)/)',
      },
    },
    {
      name: 'kernel-stands-alone',
      comment: 'everything rests on the kernel, so it rests on nothing but zod’s types',
      severity: 'error',
      from: { path: '^libs/kernel/', pathNot: '\\.spec\\.ts$' },
      to: { path: '^(libs/(?!kernel)|node:|node_modules/(?!zod/))' },
    },
    {
      name: 'services-learn-by-events',
      comment:
        'services hear of each other through stored events or ask a port; no in-process shortcut (shapes of events, as types, may be known)',
      severity: 'error',
      from: { path: '^libs/(identity|registry|integration|access|media|audit|vault)/', pathNot: '\\.spec\\.ts$' },
      to: {
        path: '^libs/(registry|integration|access|audit|catalogue)/',
        pathNot: '^libs/$1/',
        dependencyTypesNot: ['type-only'],
      },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      conditionNames: ['source', 'import', 'types', 'node', 'default'],
      exportsFields: ['exports'],
    },
  },
};
