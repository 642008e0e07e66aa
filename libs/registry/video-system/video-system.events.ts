import { z } from 'zod';
import { defineEvents, type EventOf } from '#libs/kernel';
import { day, division, documents, funding, id, name, sha256, text } from '../schemas.js';

/** A unit that designs, builds or maintains, with the qualification that Art. 14 asks for. */
export const contractor = z.strictObject({
  name,
  qualificationNumber: z.string().trim().min(1).max(100),
  qualificationValidTo: day.describe('last day on which the qualification is valid'),
});

export const planData = z.strictObject({
  siteId: id,
  name,
  purpose: text,
  funding,
  managingUnitId: id,
  responsiblePartyId: id.describe('organisation responsible under Art. 11 or 12'),
  publicPlace: z.boolean().describe('whether its cameras look at a public place and need signs (Art. 10)'),
  designer: contractor,
  builder: contractor,
  maintainer: contractor,
});

export const designSchemeData = z.strictObject({ documents });

export const constructionData = z.strictObject({
  startedOn: day,
  commissioningPlannedOn: day,
  mainWorks: z
    .strictObject({ startedOn: day, commissioningPlannedOn: day })
    .nullable()
    .describe('dates of the building project that the system belongs to (Art. 13.1); null when there is none'),
});

export const acceptanceRequestData = z.strictObject({
  testReport: z.strictObject({ sha256, issuedOn: day }),
  materials: documents,
});

const held = { heldOn: day, recordSha256: sha256.describe('signed record of the acceptance') };
const participation = { bureauId: id, bureauDivision: division };

export const acceptanceData = z.discriminatedUnion('result', [
  z.strictObject({ result: z.literal('passed'), ...held }),
  z.strictObject({
    result: z.literal('failed'),
    ...held,
    reason: text,
    rectifyBy: day.describe('deadline of the rectification'),
  }),
]);

export const videoSystemEvents = defineEvents('registry', 'videoSystem', {
  VideoSystemPlanned: {
    data: planData.extend({ division }),
    version: 1,
    meaning: ['A video system has been planned for a site', '公共视频系统已列入建设计划'],
    since: '0.1',
    rules: ['gz117:11', 'gz117:12', 'gz117:14'],
  },
  DesignSchemeFiled: {
    data: designSchemeData,
    version: 1,
    meaning: ['The design scheme has been filed with the public security organ', '设计方案已报公安机关备案'],
    since: '0.1',
    rules: ['gz117:13.2'],
  },
  ConstructionStarted: {
    data: constructionData,
    version: 1,
    meaning: ['Construction has started', '公共视频系统已开工'],
    since: '0.1',
    rules: ['gz117:13.1'],
  },
  AcceptanceRequested: {
    data: acceptanceRequestData,
    version: 1,
    meaning: ['Test report and acceptance material have been filed', '检测、验收材料已报备，申请验收'],
    since: '0.1',
    rules: ['gz117:13.2'],
  },
  AcceptancePassed: {
    data: z.strictObject({ ...held, ...participation }),
    version: 1,
    meaning: ['Acceptance with the public security organ taking part was passed', '公安机关参加的验收已合格'],
    since: '0.1',
    rules: ['gz117:13.2'],
  },
  AcceptanceFailed: {
    data: z.strictObject({ ...held, ...participation, reason: text, rectifyBy: day }),
    version: 1,
    meaning: ['Acceptance was failed; rectification is due by a deadline', '验收不合格，限期整改'],
    since: '0.1',
    rules: ['gz117:13.2'],
  },
  OperationStarted: {
    data: z.strictObject({}),
    version: 1,
    meaning: ['The accepted video system has gone into operation', '验收合格的公共视频系统已投入使用'],
    since: '0.1',
    rules: ['gz117:13.2'],
  },
  OperationInterrupted: {
    data: z.strictObject({ reason: text }),
    version: 1,
    meaning: ['Operation has been interrupted', '公共视频系统中断运行'],
    since: '0.1',
    rules: ['gz117:17(7)'],
  },
  OperationResumed: {
    data: z.strictObject({}),
    version: 1,
    meaning: ['Operation has been resumed', '公共视频系统恢复运行'],
    since: '0.1',
    rules: ['gz117:17(7)'],
  },
  VideoSystemDecommissioned: {
    data: z.strictObject({ reason: text }),
    version: 1,
    meaning: ['The video system has been taken out of service for good', '公共视频系统已停用'],
    since: '0.1',
    rules: ['gz117:19'],
  },
});

export type VideoSystemEvent = EventOf<typeof videoSystemEvents>;
