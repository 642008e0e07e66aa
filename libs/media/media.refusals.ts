import { defineRefusals } from '#libs/kernel';

export const mediaRefusals = defineRefusals({
  'media.address-malformed': {
    kind: 'invalid',
    title: ['The address of the source is malformed', '视频源地址格式错误'],
    rules: [],
  },
  'media.address-not-allowed': {
    kind: 'rule',
    title: ['The gateway may not fetch from this address', '不允许从该地址拉取视频'],
    rules: ['gz117:5.2'],
  },
  'media.address-unknown': {
    kind: 'rule',
    title: ['The name of the source cannot be resolved', '无法解析视频源域名'],
    rules: [],
  },
  'media.ticket-invalid': {
    kind: 'unauthenticated',
    title: ['The playback ticket is not valid', '播放票据无效'],
    rules: ['gz117:18(3)'],
  },
  'media.ticket-expired': {
    kind: 'unauthenticated',
    title: ['The playback ticket has expired', '播放票据已过期'],
    rules: ['gz117:18(3)'],
  },
  'media.playback-ended': {
    kind: 'forbidden',
    title: ['The playback has been ended', '播放已终止'],
    rules: ['gz117:18(3)'],
  },
  'media.outside-window': {
    kind: 'forbidden',
    title: ['The segment lies outside what was granted', '所请求片段不在授权时段内'],
    rules: ['gz117:18(3)'],
  },
  'media.window-too-long': {
    kind: 'invalid',
    title: ['The range is longer than 24 hours', '时段超过24小时'],
    rules: [],
  },
  'media.nothing-recorded': {
    kind: 'not-found',
    title: ['Nothing is recorded in this range', '该时段无录像'],
    rules: [],
  },
  'media.no-live-stream': {
    kind: 'unavailable',
    title: ['The camera sends no video at the moment', '摄像设备当前无视频流'],
    rules: ['gz117:17(7)'],
  },
  'media.too-many-playbacks': {
    kind: 'too-many',
    title: ['The gateway serves as many players as it can', '播放数量已达上限'],
    rules: [],
  },
  'media.too-many-exports': {
    kind: 'too-many',
    title: ['The gateway makes as many clips as it can; try again soon', '导出任务已达上限，请稍后重试'],
    rules: [],
  },
  'media.decision-unavailable': {
    kind: 'unavailable',
    title: ['The decision cannot be recorded, so nothing plays', '授权决定无法记录，暂停播放'],
    rules: ['gz117:18(3)'],
  },
  'media.codec-changed': {
    kind: 'rule',
    title: [
      'The parameters of the video change inside the range; export the parts apart',
      '时段内视频编码参数发生变化，请分段导出',
    ],
    rules: [],
  },
  'media.original-altered': {
    kind: 'rule',
    title: ['An original recording is missing or altered', '原始记录缺失或被改动'],
    rules: ['gz117:18(2)'],
  },
  'media.no-such-clip': {
    kind: 'not-found',
    title: ['There is no such clip, or its time to fetch it is over', '视频片段不存在或已过领取期限'],
    rules: [],
  },
});
