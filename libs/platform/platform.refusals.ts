import { defineRefusals } from '#libs/kernel';

export const platformRefusals = defineRefusals({
  'platform.bad-configuration': {
    kind: 'invalid',
    title: ['A setting is wrong', '配置有误'],
    rules: [],
  },
  'platform.unauthenticated': {
    kind: 'unauthenticated',
    title: ['A valid access token is needed', '需要有效的访问令牌'],
    rules: [],
  },
  'platform.forbidden': {
    kind: 'forbidden',
    title: ['Not allowed for this role', '该角色无权执行此操作'],
    rules: [],
  },
  'platform.invalid-input': {
    kind: 'invalid',
    title: ['The request does not have the form that is asked for', '请求格式不符合要求'],
    rules: [],
  },
  'platform.not-found': { kind: 'not-found', title: ['There is no such thing here', '资源不存在'], rules: [] },
  'platform.too-large': { kind: 'too-large', title: ['The request is too large', '请求内容过大'], rules: [] },
  'platform.read-behind': {
    kind: 'unavailable',
    title: ['The read model has not reached the position yet', '读模型尚未到达所请求的位置'],
    rules: [],
  },
  'platform.unavailable': {
    kind: 'unavailable',
    title: ['A part of the hub is not available', '系统部分组件不可用'],
    rules: [],
  },
});
