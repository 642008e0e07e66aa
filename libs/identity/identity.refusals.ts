import { defineRefusals } from '#libs/kernel';

export const identityRefusals = defineRefusals({
  'identity.sign-in-refused': {
    kind: 'unauthenticated',
    title: [
      'User name, password or code is wrong, or too many attempts were made',
      '用户名、口令或验证码错误，或尝试次数过多',
    ],
    rules: ['gz117:5.2'],
  },
  'identity.enrolment-refused': {
    kind: 'forbidden',
    title: ['The enrolment code is wrong, used or expired', '注册码错误、已使用或已过期'],
    rules: [],
  },
  'identity.weak-password': {
    kind: 'invalid',
    title: ['The password is too easy to guess', '口令强度不足'],
    rules: [],
  },
  'identity.user-name-taken': { kind: 'conflict', title: ['The user name is taken', '用户名已被占用'], rules: [] },
});
