import { defineRefusals } from '#libs/kernel';

export const auditRefusals = defineRefusals({
  'audit.no-such-subject': {
    kind: 'not-found',
    title: ['The records know no such subject', '记录中无此对象'],
    rules: [],
  },
  'audit.outside-jurisdiction': {
    kind: 'forbidden',
    title: ["The subject lies outside the reader's jurisdiction", '该对象不在查阅人所属行政区域内'],
    rules: ['gz117:4.2'],
  },
  'audit.as-of-in-future': {
    kind: 'invalid',
    title: ['The future has no history', '不能查询未来的历史'],
    rules: [],
  },
  'audit.history-too-wide': {
    kind: 'too-large',
    title: ['The history reaches over too many streams; narrow it', '历史范围过大，请缩小范围'],
    rules: [],
  },
});
