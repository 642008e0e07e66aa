import { defineRefusals, type RefusalDeclaration } from '#libs/kernel';
import { PROHIBITED_PLACES, ruleText } from '#libs/regulation';

type ProhibitedCode = `registry.prohibited-${(typeof PROHIBITED_PLACES)[number]['place']}`;

/** One refusal for each of the six prohibited places, so that the answer names the very item of Art. 9.1. */
const prohibited = Object.fromEntries(
  PROHIBITED_PLACES.map(({ id, place, gloss }): [string, RefusalDeclaration] => [
    `registry.prohibited-${place}`,
    { kind: 'rule', title: [`No camera may be installed in ${gloss}`, `禁止安装：${ruleText(id)}`], rules: [id] },
  ]),
) as Record<ProhibitedCode, RefusalDeclaration>;

export const registryRefusals = defineRefusals({
  ...prohibited,
  'registry.outside-jurisdiction': {
    kind: 'rule',
    title: ['The place lies outside the jurisdiction of this public security organ', '该场所不在本公安机关管辖区域内'],
    rules: ['gz117:4.2'],
  },
  'registry.not-your-unit': {
    kind: 'forbidden',
    title: ['It belongs to another managing unit', '不属于本管理单位'],
    rules: [],
  },
  'registry.no-such-organisation': {
    kind: 'not-found',
    title: ['There is no such organisation', '单位不存在'],
    rules: [],
  },
  'registry.no-such-site': { kind: 'not-found', title: ['There is no such site', '场所不存在'], rules: [] },
  'registry.no-such-system': {
    kind: 'not-found',
    title: ['There is no such video system', '公共视频系统不存在'],
    rules: [],
  },
  'registry.no-such-camera': { kind: 'not-found', title: ['There is no such camera', '摄像设备不存在'], rules: [] },
  'registry.already-registered': {
    kind: 'conflict',
    title: ['It is registered already', '已登记'],
    rules: [],
  },
  'registry.wrong-stage': {
    kind: 'conflict',
    title: ['The video system is not at the stage that this act needs', '公共视频系统所处阶段不允许此操作'],
    rules: ['gz117:13.2'],
  },
  'registry.not-accepted': {
    kind: 'rule',
    title: ['Only an accepted video system goes into operation', '公共视频系统未经验收合格不得投入使用'],
    rules: ['gz117:13.2'],
  },
  'registry.acceptance-without-bureau': {
    kind: 'rule',
    title: ['Acceptance needs the participation of a public security organ', '验收应当有公安机关参加'],
    rules: ['gz117:13.2'],
  },
  'registry.rectification-deadline-past': {
    kind: 'rule',
    title: ['The rectification deadline must lie ahead', '整改期限应晚于当日'],
    rules: ['gz117:13.2'],
  },
  'registry.day-ahead': {
    kind: 'invalid',
    title: ['What has happened cannot have happened on a day to come', '已发生事项的日期不得晚于当日'],
    rules: [],
  },
  'registry.qualification-expired': {
    kind: 'rule',
    title: ['The qualification of the designer, builder or maintainer has expired', '设计、施工或维护单位资质已过期'],
    rules: ['gz117:14'],
  },
  'registry.certificate-expired': {
    kind: 'rule',
    title: ['The test certificate of the product has expired', '产品检测合格证书已过期'],
    rules: ['gz117:14'],
  },
  'registry.sign-missing': {
    kind: 'rule',
    title: ['A camera in a public place needs a conspicuous sign', '公共场所的摄像设备应当设置明显标识'],
    rules: ['gz117:10'],
  },
  'registry.gb-id-malformed': {
    kind: 'invalid',
    title: ['It is not the GB/T 28181 id of a camera', '不是有效的国标摄像机编码'],
    rules: [],
  },
  'registry.gb-id-elsewhere': {
    kind: 'rule',
    title: ['The GB/T 28181 id belongs to another division', '国标编码的行政区划与场所不符'],
    rules: ['gz117:5.1'],
  },
  'registry.gb-id-taken': {
    kind: 'conflict',
    title: ['The GB/T 28181 id belongs to another camera', '国标编码已被占用'],
    rules: ['gz117:5.1'],
  },
});
