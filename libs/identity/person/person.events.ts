import { z } from 'zod';
import { defineEvents, type EventOf, ROLES } from '#libs/kernel';
import { commitment, id, instant, publicName, text } from '../schemas.js';

const roleData = z.strictObject({ role: z.enum(ROLES) });

/** Who issued an enforcement credential; Art. 16(2) knows the first two. */
const CREDENTIAL_ISSUERS = ['provincial-government', 'state-council-ministry', 'other'] as const;

/** An enforcement credential without its number. */
export const credentialTerms = z.strictObject({
  issuer: z.enum(CREDENTIAL_ISSUERS),
  issuerName: publicName.describe('name of the issuing authority'),
  validFrom: instant,
  validTo: instant,
});

export const personEvents = defineEvents('identity', 'person', {
  PersonRegistered: {
    data: z.strictObject({ organisationId: id, name: commitment, phone: commitment.optional() }),
    version: 1,
    meaning: ['A person works for an organisation', '人员已登记'],
    since: '0.1',
    rules: ['gz117:5.2'],
    personal: ['name', 'phone'],
  },
  RoleGranted: {
    data: roleData,
    version: 1,
    meaning: ['A person holds a role', '角色已授予'],
    since: '0.1',
    rules: ['gz117:4'],
  },
  RoleRevoked: {
    data: roleData,
    version: 1,
    meaning: ['A person holds a role no longer', '角色已撤销'],
    since: '0.1',
    rules: ['gz117:4'],
  },
  EnforcementCredentialFiled: {
    data: credentialTerms.extend({ credentialId: id, numberCommitment: commitment }),
    version: 1,
    meaning: ['An enforcement credential of a person is on file', '行政执法证件已备案'],
    since: '0.1',
    rules: ['gz117:16(2)'],
    personal: ['numberCommitment'],
  },
  EnforcementCredentialWithdrawn: {
    data: z.strictObject({ credentialId: id, reason: text }),
    version: 1,
    meaning: ['An enforcement credential is valid no longer', '行政执法证件备案已撤销'],
    since: '0.1',
    rules: ['gz117:16(2)'],
  },
  EnrolmentIssued: {
    data: z.strictObject({}),
    version: 1,
    meaning: ['A one-time code was issued with which a person chooses new means of sign-in', '登录注册码已签发'],
    since: '0.1',
    rules: [],
  },
  SignInEnrolled: {
    data: z.strictObject({}),
    version: 1,
    meaning: ['A person has chosen a password and proved the second factor', '登录方式已注册'],
    since: '0.1',
    rules: [],
  },
  PersonDeactivated: {
    data: z.strictObject({ reason: text }),
    version: 1,
    meaning: ['A person can sign in no longer', '人员已停用'],
    since: '0.1',
    rules: [],
  },
});

export type PersonEvent = EventOf<typeof personEvents>;
