import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { ORGANISATION_KINDS, ORGANISATION_LEVELS, POWERS, type RequestContext, ROLES } from '#libs/kernel';
import { Allow, Context } from '#libs/platform';
import { division, id } from './schemas.js';

const answer = z.object({
  kind: z.enum(['person', 'client']),
  id,
  organisation: z.object({
    id,
    kind: z.enum(ORGANISATION_KINDS),
    level: z.enum(ORGANISATION_LEVELS),
    division,
    powers: z.array(z.enum(POWERS)),
  }),
  roles: z.array(z.enum(ROLES)),
  authenticatedAt: z.iso.datetime().describe('when the person signed in; clients: when the token was issued'),
});

@ApiTags('identity')
@Controller('api/v1/me')
export class MeController {
  @Get()
  @Allow({ roles: 'signed-in', clients: true })
  @ApiOperation({ summary: 'Who the hub takes the caller for, as of now' })
  @ApiOkResponse({ standardSchema: answer })
  me(@Context() { principal }: RequestContext): object {
    return { ...principal, authenticatedAt: new Date(principal.authenticatedAt).toISOString() };
  }
}
