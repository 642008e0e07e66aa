import { z } from 'zod';
import { defineEvents, type EventOf } from '#libs/kernel';
import { instant } from '../schemas.js';

/**
 * Sign-ins of one person, `signIn-<person id>`, apart from the person's stream so that this stays short. Attempts while
 * a name is locked are not recorded one by one, so a stream grows by a bounded number of events a day.
 */
export const signInEvents = defineEvents('identity', 'signIn', {
  SignInSucceeded: {
    data: z.strictObject({}),
    version: 1,
    meaning: ['A person has signed in with password and second factor', '人员登录成功'],
    since: '0.1',
    rules: [],
  },
  SignInFailed: {
    data: z.strictObject({
      reason: z.enum(['password', 'one-time-password', 'deactivated']),
      lockedUntil: instant.optional(),
    }),
    version: 1,
    meaning: ['A sign-in in the name of a person has failed', '人员登录失败'],
    since: '0.1',
    rules: [],
  },
});

export type SignInEvent = EventOf<typeof signInEvents>;
