import { defineRefusals } from '#libs/kernel';

export const vaultRefusals = defineRefusals({
  'vault.no-such-person': {
    kind: 'not-found',
    title: ['There is no personal data of this person', '无此人个人信息'],
    rules: [],
  },
  'vault.key-damaged': { kind: 'unavailable', title: ['A key file is damaged', '密钥文件损坏'], rules: [] },
  'vault.key-lost': {
    kind: 'unavailable',
    title: ['The key folder does not belong to this database', '密钥目录与数据库不匹配'],
    rules: [],
  },
  'vault.damaged': { kind: 'unavailable', title: ['Stored personal data is damaged', '个人信息密文损坏'], rules: [] },
});
