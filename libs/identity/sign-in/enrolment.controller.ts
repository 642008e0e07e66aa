import { Body, Controller, Header, Inject, Post } from '@nestjs/common';
import { ApiCreatedResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { Public } from '#libs/platform';
import { CredentialStore } from './credential-store.js';

const code = z.string().min(1).max(60).describe('one-time enrolment code');
const enrolment = z.strictObject({
  code,
  username: z.string().trim().min(3).max(64),
  password: z.string().max(200).describe('12 characters at least, without the user name'),
});
const confirmation = z.strictObject({
  code,
  totp: z.string().max(10).describe('code of the authenticator application'),
});

/** Enrolment needs no token: the one-time code is the proof. */
@ApiTags('identity')
@Controller('api/v1/enrolments')
export class EnrolmentController {
  constructor(@Inject(CredentialStore) private readonly credentials: CredentialStore) {}

  @Post()
  @Public()
  @Header('cache-control', 'no-store')
  @ApiOperation({ summary: 'Choose user name and password with a one-time code; answers the second factor’s secret' })
  @ApiCreatedResponse({ standardSchema: z.object({ totpUri: z.string(), totpSecret: z.string() }) })
  async begin(
    @Body({ schema: enrolment }) { code: given, username, password }: z.output<typeof enrolment>,
  ): Promise<object> {
    return this.credentials.begin(given, username, password);
  }

  @Post('confirmation')
  @Public()
  @ApiOperation({ summary: 'Prove the second factor; from now on the person can sign in' })
  @ApiCreatedResponse({ standardSchema: z.object({ personId: z.guid() }) })
  async confirm(@Body({ schema: confirmation }) { code: given, totp }: z.output<typeof confirmation>): Promise<object> {
    return { personId: await this.credentials.confirm(given, totp) };
  }
}
