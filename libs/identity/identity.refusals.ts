import { defineRefusals } from '#libs/kernel';

export const identityRefusals = defineRefusals({
  'identity.sign-in-refused': {
    kind: 'unauthenticated',
    title: [
      'User name, password or code is wrong, or too many attempts were made',
      '用户名、口令或验证码错误，或尝试次数过多',
    ],
    rules: [],
  },
  'identity.too-many-sign-ins': {
    kind: 'too-many',
    title: ['Too many people are signing in at this moment', '当前登录人数过多，请稍后重试'],
    rules: [],
  },
  'identity.enrolment-refused': {
    kind: 'forbidden',
    title: [
      'The enrolment code is wrong, used or expired, or the verification code does not fit',
      '注册码错误、已使用或已过期，或验证码不符',
    ],
    rules: [],
  },
  'identity.weak-password': {
    kind: 'invalid',
    title: ['The password is too easy to guess', '口令强度不足'],
    rules: [],
  },
  'identity.user-name-taken': { kind: 'conflict', title: ['The user name is taken', '用户名已被占用'], rules: [] },
  'identity.not-the-registrar': {
    kind: 'forbidden',
    title: ['Only the hub operator registers organisations, people and clients', '仅运维单位可登记单位、人员和客户端'],
    rules: [],
  },
  'identity.outside-jurisdiction': {
    kind: 'rule',
    title: ['The organisation lies outside the jurisdiction', '该单位不在管辖区域内'],
    rules: ['gz117:4.2'],
  },
  'identity.no-such-organisation': {
    kind: 'not-found',
    title: ['There is no such organisation', '单位不存在'],
    rules: [],
  },
  'identity.no-such-person': {
    kind: 'not-found',
    title: ['There is no such person', '人员不存在'],
    rules: [],
  },
  'identity.no-such-client': {
    kind: 'not-found',
    title: ['There is no such client', '接口客户端不存在'],
    rules: [],
  },
  'identity.deactivated': { kind: 'conflict', title: ['It is deactivated', '已停用'], rules: [] },
  'identity.already-registered': { kind: 'conflict', title: ['It is registered already', '已登记'], rules: [] },
  'identity.unknown-division': {
    kind: 'rule',
    title: ['There is no such division of Guizhou in force', '行政区划代码无效'],
    rules: [],
  },
  'identity.level-does-not-fit-division': {
    kind: 'rule',
    title: ['Level and division code do not fit each other', '单位级别与行政区划代码不符'],
    rules: ['gz117:4.1'],
  },
  'identity.outside-parent': {
    kind: 'rule',
    title: ['The division is not covered by that of the superior organisation', '行政区划不在上级单位辖区内'],
    rules: [],
  },
  'identity.power-not-for-this-kind': {
    kind: 'rule',
    title: ['Only administrative departments hold this power', '仅行政主管部门可具有该职权'],
    rules: ['gz117:15.2', 'gz117:15.3'],
  },
  'identity.power-held': { kind: 'conflict', title: ['The power is held already', '已具有该职权'], rules: [] },
  'identity.power-not-held': { kind: 'conflict', title: ['The power is not held', '不具有该职权'], rules: [] },
  'identity.role-not-for-this-kind': {
    kind: 'rule',
    title: ['This role does not exist in an organisation of this kind', '该类单位不设此角色'],
    rules: ['gz117:4.2', 'gz117:4.3'],
  },
  'identity.role-excluded': {
    kind: 'rule',
    title: ['A hub operator holds no other role', '运维人员不得兼任其他角色'],
    rules: [],
  },
  'identity.own-account': {
    kind: 'forbidden',
    title: ['Nobody changes their own roles or account', '不得变更本人角色或账号'],
    rules: [],
  },
  'identity.role-held': { kind: 'conflict', title: ['The role is held already', '已具有该角色'], rules: [] },
  'identity.role-not-held': { kind: 'conflict', title: ['The role is not held', '不具有该角色'], rules: [] },
  'identity.credential-validity': {
    kind: 'rule',
    title: ['The validity of the credential ends before it begins', '证件有效期有误'],
    rules: ['gz117:16(2)'],
  },
  'identity.too-many-credentials': {
    kind: 'conflict',
    title: ['Too many credentials are filed; withdraw one first', '已备案证件过多，请先撤销'],
    rules: [],
  },
  'identity.no-such-credential': {
    kind: 'not-found',
    title: ['There is no such credential', '证件未备案或已撤销'],
    rules: [],
  },
  'identity.contact-elsewhere': {
    kind: 'rule',
    title: ['The contact person works elsewhere or is deactivated', '联系人不属于该单位或已停用'],
    rules: [],
  },
});
