import { defineRefusals } from '#libs/kernel';

export const integrationRefusals = defineRefusals({
  'integration.outside-jurisdiction': {
    kind: 'rule',
    title: [
      'The camera lies outside the jurisdiction of this public security organ',
      '摄像设备不在本公安机关管辖区域内',
    ],
    rules: ['gz117:4.2'],
  },
  'integration.not-your-unit': {
    kind: 'forbidden',
    title: ['The camera belongs to another managing unit', '摄像设备不属于本管理单位'],
    rules: [],
  },
  'integration.no-such-camera': {
    kind: 'not-found',
    title: ['No such camera is registered', '摄像设备未登记'],
    rules: [],
  },
  'integration.no-such-connection': {
    kind: 'not-found',
    title: ['There is no such connection', '接口连接不存在'],
    rules: [],
  },
  'integration.already-requested': {
    kind: 'conflict',
    title: ['The connection has been requested already', '接口连接已申请'],
    rules: [],
  },
  'integration.address-malformed': {
    kind: 'invalid',
    title: ['The address does not fit the protocol', '地址与协议不符'],
    rules: [],
  },
  'integration.credentials-in-address': {
    kind: 'invalid',
    title: ['Credentials are given apart, never in the address', '用户名和口令应单独提供，不得写入地址'],
    rules: ['gz117:5.2'],
  },
  'integration.wrong-stage': {
    kind: 'conflict',
    title: ['The connection is not at the stage that this act needs', '接口连接所处阶段不允许此操作'],
    rules: [],
  },
  'integration.not-tested': {
    kind: 'rule',
    title: ['The last test of the connection was not passed', '接口连接最近一次测试未通过'],
    rules: ['gz117:7'],
  },
  'integration.not-approved': {
    kind: 'rule',
    title: ['No public security organ has approved the connection', '接口连接未经公安机关批准'],
    rules: ['gz117:7'],
  },
  'integration.approval-without-bureau': {
    kind: 'rule',
    title: ['Only a filing officer of a public security organ approves a connection', '接口连接应由公安机关批准'],
    rules: ['gz117:7'],
  },
  'integration.own-request': {
    kind: 'rule',
    title: ['No one approves what they asked for', '申请人不得批准本人的申请'],
    rules: ['gz117:7'],
  },
  'integration.camera-already-connected': {
    kind: 'conflict',
    title: ['Another connection to the camera is open', '该摄像设备已有开通的接口连接'],
    rules: ['gz117:5.1'],
  },
});
