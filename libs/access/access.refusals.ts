import { defineRefusals } from '#libs/kernel';

/** Every no of access brokering, with the rule that it rests on. */
export const accessRefusals = defineRefusals({
  // Requests
  'access.basis-not-offered': {
    kind: 'rule',
    title: ['Access in an emergency is not offered yet', '突发事件调用尚未开放'],
    rules: ['gz117:15.2'],
  },
  'access.not-public-security-organ': {
    kind: 'rule',
    title: ['Only a public security organ asks on this basis', '该依据仅限公安机关使用'],
    rules: ['gz117:15.1'],
  },
  'access.no-enforcement-power': {
    kind: 'rule',
    title: ['The department has no law-enforcement power on record', '该部门无登记在案的行政执法权'],
    rules: ['gz117:15.3'],
  },
  'access.act-not-open': {
    kind: 'rule',
    title: ['The basis does not open this act', '该依据不允许此种使用方式'],
    rules: ['gz117:15.3'],
  },
  'access.act-not-shared': {
    kind: 'rule',
    title: ['A standing share is for live viewing and connecting only', '常态共享仅限实时查看和接入'],
    rules: ['gz117:7'],
  },
  'access.nothing-asked': {
    kind: 'invalid',
    title: ['Neither live video nor recordings are asked for', '未申请实时视频或录像'],
    rules: [],
  },
  'access.no-law-cited': {
    kind: 'rule',
    title: ['The law relied on is not cited by name and article', '未载明所依据的法律、法规名称及条款'],
    rules: ['gz117:15.3'],
  },
  'access.no-case-number': {
    kind: 'rule',
    title: ['The case number is missing', '缺少案件编号'],
    rules: ['gz117:16(4)'],
  },
  'access.no-certificate': {
    kind: 'rule',
    title: ["The certificate of the investigators' own unit is missing", '缺少所在单位出具的证明文件'],
    rules: ['gz117:16(3)'],
  },
  'access.too-few-investigators': {
    kind: 'rule',
    title: ['At least two different investigators are needed', '调查取证人不得少于2人'],
    rules: ['gz117:16(1)'],
  },
  'access.not-own-investigator': {
    kind: 'rule',
    title: ["An investigator is not an active member of the requester's organisation", '调查取证人非申请单位在职人员'],
    rules: ['gz117:16(1)'],
  },
  'access.no-holder': {
    kind: 'rule',
    title: [
      "A share needs a named person or API client of the requester's organisation",
      '共享须指定本单位人员或接口客户端',
    ],
    rules: ['gz117:7'],
  },
  'access.unknown-camera': { kind: 'rule', title: ['A camera is not registered', '摄像设备未登记'], rules: [] },
  'access.outside-jurisdiction': {
    kind: 'rule',
    title: ["A camera lies outside the public security organ's jurisdiction", '摄像设备不在该公安机关行政区域内'],
    rules: ['gz117:4.2'],
  },
  'access.no-deciding-organ': {
    kind: 'rule',
    title: ['Only a public security organ of county level or above decides', '应由县级以上公安机关决定'],
    rules: ['gz117:15.1'],
  },
  'access.window-in-future': {
    kind: 'rule',
    title: ['Recordings of the future cannot be asked for', '不得申请未来时段的录像'],
    rules: ['gz117:15.1', 'gz117:15.3'],
  },
  'access.window-invalid': {
    kind: 'invalid',
    title: ['The window ends before it begins or is too long', '时间段无效或过长'],
    rules: [],
  },
  'access.validity-invalid': {
    kind: 'invalid',
    title: ['The validity is over, ends before it begins or is too long', '有效期无效或过长'],
    rules: [],
  },
  'access.share-too-long': {
    kind: 'rule',
    title: ['A standing share lasts 365 days at most', '常态共享期限不得超过365日'],
    rules: ['gz117:7'],
  },
  'access.not-integrated': {
    kind: 'rule',
    title: ['A camera is not integrated: no interface connection to it is open', '摄像设备未接入整合平台'],
    rules: ['gz117:7'],
  },
  'access.not-government-funded': {
    kind: 'rule',
    title: ['A camera is not government-funded', '摄像设备非政府投资建设'],
    rules: ['gz117:7'],
  },
  // Decisions
  'access.no-such-request': { kind: 'not-found', title: ['There is no such request', '申请不存在'], rules: [] },
  'access.request-decided': {
    kind: 'conflict',
    title: ['The request has been decided or withdrawn', '申请已决定或撤回'],
    rules: [],
  },
  'access.request-lapsed': {
    kind: 'rule',
    title: ['The validity asked for is over', '申请的有效期已过'],
    rules: ['gz117:15.1'],
  },
  'access.not-requester': {
    kind: 'forbidden',
    title: ["Only the requester's organisation withdraws", '仅申请单位可以撤回'],
    rules: [],
  },
  'access.not-responsible-person': {
    kind: 'forbidden',
    title: [
      'Only a responsible person of a public security organ of county level or above decides',
      '应由县级以上公安机关负责人决定',
    ],
    rules: ['gz117:15.1'],
  },
  'access.approver-is-requester': {
    kind: 'rule',
    title: ['No one approves what they asked for', '申请人不得自行批准'],
    rules: ['gz117:15.1'],
  },
  'access.approver-is-investigator': {
    kind: 'rule',
    title: ['A named investigator cannot approve', '调查取证人不得批准本申请'],
    rules: ['gz117:15.1'],
  },
  'access.approval-widens': {
    kind: 'rule',
    title: ['An approval may shorten what was asked for but never widen it', '批准可以缩小但不得扩大申请范围'],
    rules: ['gz117:15.1'],
  },
  'access.no-approval-document': {
    kind: 'rule',
    title: ['Neither a certificate nor an approval document is attached', '缺少批准文件或者证明文件'],
    rules: ['gz117:16(3)'],
  },
  // Grants
  'access.no-such-grant': { kind: 'not-found', title: ['There is no such grant', '授权不存在'], rules: [] },
  'access.grant-revoked': {
    kind: 'rule',
    title: ['The grant has been revoked', '授权已被撤销'],
    rules: ['gz117:18(3)'],
  },
  'access.grant-not-yet-valid': {
    kind: 'rule',
    title: ['The grant is not valid yet', '授权尚未生效'],
    rules: ['gz117:18(3)'],
  },
  'access.grant-expired': {
    kind: 'rule',
    title: ['The grant has expired', '授权已过期'],
    rules: ['gz117:18(3)'],
  },
  'access.may-not-revoke': {
    kind: 'forbidden',
    title: [
      'Only a responsible person with jurisdiction revokes, or the holder gives back',
      '仅有管辖权的公安机关负责人可以撤销，或由持有单位交回',
    ],
    rules: ['gz117:4.2'],
  },
  // Retrieval sessions
  'access.no-such-session': { kind: 'not-found', title: ['There is no such session', '调取会话不存在'], rules: [] },
  'access.session-state': {
    kind: 'conflict',
    title: ['The session is not in a state for this', '调取会话状态不允许此操作'],
    rules: [],
  },
  'access.session-not-needed': {
    kind: 'rule',
    title: ['A standing share needs no retrieval session', '常态共享无需调取会话'],
    rules: ['gz117:7'],
  },
  'access.not-investigator': {
    kind: 'forbidden',
    title: ['Not an investigator named in the grant', '非授权载明的调查取证人'],
    rules: ['gz117:16(1)'],
  },
  'access.same-investigator': {
    kind: 'rule',
    title: ['Two different investigators must check in', '须由两名不同的调查取证人到场核验'],
    rules: ['gz117:16(1)'],
  },
  'access.authentication-stale': {
    kind: 'rule',
    title: ['The investigator must sign in again in person before checking in', '调查取证人须重新本人登录后核验'],
    rules: ['gz117:16(1)'],
  },
  'access.check-ins-too-far-apart': {
    kind: 'rule',
    title: ['The investigators did not check in within ten minutes of each other', '调查取证人核验间隔超过十分钟'],
    rules: ['gz117:16(1)'],
  },
  'access.check-ins-stale': {
    kind: 'rule',
    title: ['The check-ins are too old: both investigators must check in again', '核验已过时，须重新核验'],
    rules: ['gz117:16(1)'],
  },
  'access.credential-unknown': {
    kind: 'rule',
    title: ['No enforcement credential with this number is on file', '未备案此编号的行政执法证件'],
    rules: ['gz117:16(2)'],
  },
  'access.credential-expired': {
    kind: 'rule',
    title: ['The enforcement credential is not valid at this moment', '行政执法证件不在有效期内'],
    rules: ['gz117:16(2)'],
  },
  'access.issuer-not-allowed': {
    kind: 'rule',
    title: [
      'The credential was issued neither by the provincial government nor by a State Council ministry',
      '行政执法证件非省人民政府或者国务院部门颁发',
    ],
    rules: ['gz117:16(2)'],
  },
  'access.approval-document-missing': {
    kind: 'rule',
    title: ['The approval document or certificate has not been shown', '未出示批准文件或者证明文件'],
    rules: ['gz117:16(3)'],
  },
  'access.approval-document-mismatch': {
    kind: 'rule',
    title: ['The document shown is not the one that the grant rests on', '出示的文件与授权不符'],
    rules: ['gz117:16(3)'],
  },
  'access.register-entry-incomplete': {
    kind: 'rule',
    title: ['The register entry is incomplete', '登记内容不完整'],
    rules: ['gz117:16(4)', 'gz117:17(4)'],
  },
  'access.undertaking-missing': {
    kind: 'rule',
    title: ['An investigator has not signed the confidentiality undertaking', '调查取证人未签署保密承诺'],
    rules: ['gz117:16(5)'],
  },
  'access.undertaking-outdated': {
    kind: 'rule',
    title: ['Not the text of the undertaking in force', '并非现行保密承诺文本'],
    rules: ['gz117:16(5)'],
  },
  // Playback and export
  'access.no-such-playback': { kind: 'not-found', title: ['There is no such playback', '播放不存在'], rules: [] },
  'access.playback-over': { kind: 'conflict', title: ['The playback is over', '播放已结束'], rules: [] },
  'access.not-holder': {
    kind: 'forbidden',
    title: ['The grant does not name the asker', '授权未载明该使用者'],
    rules: ['gz117:18(3)'],
  },
  'access.act-not-granted': {
    kind: 'rule',
    title: ['The grant does not open this act', '授权不包含此种使用方式'],
    rules: ['gz117:18(3)'],
  },
  'access.camera-not-granted': {
    kind: 'rule',
    title: ['The grant does not name this camera', '授权不包含该摄像设备'],
    rules: ['gz117:18(3)'],
  },
  'access.live-not-granted': {
    kind: 'rule',
    title: ['The grant does not open live video', '授权不包含实时视频'],
    rules: ['gz117:18(3)'],
  },
  'access.outside-window': {
    kind: 'rule',
    title: ['The range is not inside the window granted', '时间段超出授权范围'],
    rules: ['gz117:18(3)'],
  },
  'access.session-not-started': {
    kind: 'rule',
    title: ['No retrieval session is running in which all five conditions are met', '没有五项条件齐备的调取会话'],
    rules: ['gz117:16(1)', 'gz117:16(2)', 'gz117:16(3)', 'gz117:16(4)', 'gz117:16(5)'],
  },
  'access.connection-closed': {
    kind: 'rule',
    title: ['The connection to the camera is not open', '摄像设备接口连接未开通'],
    rules: ['gz117:7'],
  },
});
