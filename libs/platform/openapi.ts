import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { z } from 'zod';

const PROBLEM = {
  description: 'A refusal (RFC 9457): `code` names the reason, `rules` the articles of the regulation it rests on',
  content: {
    'application/problem+json': {
      schema: {
        type: 'object',
        required: ['type', 'title', 'status', 'code'],
        properties: {
          type: { type: 'string' },
          title: { type: 'string' },
          titleZh: { type: 'string' },
          status: { type: 'integer' },
          code: { type: 'string', examples: ['registry.prohibited-place'] },
          detail: { type: 'string' },
          rules: { type: 'array', items: { type: 'string', examples: ['gz117:9.1(1)'] } },
          facts: { type: 'object' },
        },
      },
    },
  },
};

/** OpenAPI 3.1 document of all controllers, made from the same zod schemas that check the requests. */
export function openApiDocument(app: NestFastifyApplication): OpenAPIObject {
  const config = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Mingjing 明镜')
    .setDescription(
      'The hub through which departments share public-security video lawfully (Guizhou Order No. 117). ' +
        'Every write takes an `Idempotency-Key` and answers `Mingjing-Position` and `ETag`; a request that sends ' +
        '`Mingjing-Position` back reads its own writes.',
    )
    .setVersion('0.1')
    .setLicense('Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0')
    .addBearerAuth({ type: 'http', scheme: 'bearer', bearerFormat: 'JWT (OpenID Connect, /oidc)' })
    .addSecurityRequirements('bearer')
    .addGlobalResponse({ status: '4XX', ...PROBLEM } as never)
    .build();
  return SwaggerModule.createDocument(app, config, {
    standardSchemaConverter: (schema, { schemaType }) => ({
      schema: z.toJSONSchema(schema as unknown as z.ZodType, {
        io: schemaType,
        unrepresentable: 'any',
        target: 'draft-2020-12',
      }) as never,
    }),
  });
}

/** Serves the readable API reference at `/api` and the document at `/api/openapi.json`. */
export function serveApiReference(
  app: NestFastifyApplication,
  document: () => OpenAPIObject = () => openApiDocument(app),
): void {
  SwaggerModule.setup('api', app, document, {
    jsonDocumentUrl: 'api/openapi.json',
    yamlDocumentUrl: 'api/openapi.yaml',
    customSiteTitle: 'Mingjing API',
    swaggerOptions: { docExpansion: 'list', tagsSorter: 'alpha', operationsSorter: 'alpha', tryItOutEnabled: false },
  });
}
