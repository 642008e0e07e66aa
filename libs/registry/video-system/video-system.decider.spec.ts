import fc from 'fast-check';
import { fold, type Principal, Refusal } from '#libs/kernel';
import { covers } from '#libs/regulation';
import { spec } from '../../../test/given-when-then.js';
import {
  AT,
  acceptanceRequest,
  bureau,
  clerk,
  construction,
  department,
  documents,
  facts,
  failed,
  falseOfficer,
  NANMING,
  otherClerk,
  passed,
  plan,
  UNIT,
} from '../registry.fixture.js';
import { type VideoSystemCommand, type VideoSystemState, videoSystemDecider } from './video-system.decider.js';
import type { VideoSystemEvent } from './video-system.events.js';

const { planned, designFiled, started, requested, operating } = facts;
const by = clerk;
const site = { managingUnitId: UNIT, division: NANMING };
const system = spec(videoSystemDecider);
const underConstruction = [planned, designFiled, started] as const;
const awaiting = [...underConstruction, requested] as const;
const accepted = [...awaiting, facts.passed] as const;

const planIt = { type: 'PlanVideoSystem', by, at: AT, plan, site } as const;
const fileScheme = { type: 'FileDesignScheme', by, at: AT, scheme: { documents } } as const;
const start = { type: 'StartConstruction', by, at: AT, construction } as const;
const request = { type: 'RequestAcceptance', by, at: AT, request: acceptanceRequest } as const;
const accept = { type: 'RecordAcceptance', by: bureau(NANMING), at: AT, acceptance: passed } as const;
const operate = { type: 'StartOperation', by, at: AT } as const;
const interrupt = { type: 'InterruptOperation', by, at: AT, reason: '检修' } as const;
const resume = { type: 'ResumeOperation', by, at: AT } as const;
const decommission = { type: 'DecommissionVideoSystem', by, at: AT, reason: '拆迁' } as const;

describe('a video system', () => {
  test('goes its way from plan to operation', () => {
    system.given().when(planIt).then(planned);
    system.given(planned).when(fileScheme).then(designFiled);
    system.given(planned, designFiled).when(start).then(started);
    system
      .given(...underConstruction)
      .when(request)
      .then(requested);
    system
      .given(...awaiting)
      .when(accept)
      .then(facts.passed);
    system
      .given(...accepted)
      .when(operate)
      .then(operating);
  });

  test('gz117:17(7): is interrupted for a reason and resumed', () => {
    const interrupted = { type: 'OperationInterrupted', data: { reason: '检修' } } as const;
    system
      .given(...accepted, operating)
      .when(interrupt)
      .then(interrupted);
    system
      .given(...accepted, operating, interrupted)
      .when(resume)
      .then({ type: 'OperationResumed', data: {} });
    system
      .given(...accepted, operating)
      .when(resume)
      .refuses('registry.wrong-stage');
  });

  test('once decommissioned, nothing happens to it any more', () => {
    const gone = { type: 'VideoSystemDecommissioned', data: { reason: '拆迁' } } as const;
    system
      .given(...accepted, operating)
      .when(decommission)
      .then(gone);
    for (const command of [fileScheme, start, request, accept, operate, interrupt, resume, decommission]) {
      system
        .given(...accepted, operating, gone)
        .when(command)
        .refuses('registry.wrong-stage');
    }
  });

  test('that was never planned is not found', () => {
    for (const command of [fileScheme, start, request, accept, operate, interrupt, resume, decommission]) {
      system.given().when(command).refuses('registry.no-such-system');
    }
  });

  test.each([
    ['construction', start, [planned]],
    ['a second design scheme', fileScheme, [planned, designFiled]],
    ['a request for acceptance', request, [planned, designFiled]],
    ['acceptance', accept, [...underConstruction]],
    ['a second acceptance', accept, [...accepted]],
  ])('gz117:13.2: %s out of turn is refused', (_, command, history) => {
    system
      .given(...history)
      .when(command)
      .refuses('registry.wrong-stage', 'gz117:13.2');
  });

  test('a plan stands once', () => {
    system.given(planned).when(planIt).refuses('registry.already-registered');
  });
});

describe('gz117:13.2: acceptance', () => {
  test.each([
    ['planned', [planned]],
    ['under construction', [...underConstruction]],
    ['awaiting acceptance', [...awaiting]],
    ['failed and rectifying', [...awaiting, facts.failed]],
  ])('a system that is %s does not go into operation', (_, history) => {
    system
      .given(...history)
      .when(operate)
      .refuses('registry.not-accepted', 'gz117:13.2');
  });

  test('failed, it sets a deadline; after rectification it is asked for and held again', () => {
    const record = { ...accept, acceptance: failed } as const;
    system
      .given(...awaiting)
      .when(record)
      .then(facts.failed);
    expect(fold(videoSystemDecider, [...awaiting, facts.failed])).toMatchObject({
      status: 'rectifying',
      rectifyBy: failed.rectifyBy,
    });
    system
      .given(...awaiting, facts.failed)
      .when(request)
      .then(requested);
    system
      .given(...awaiting, facts.failed, requested)
      .when(accept)
      .then(facts.passed);
  });

  test('a deadline that is not ahead is refused', () => {
    system
      .given(...awaiting)
      .when({ ...accept, acceptance: { ...failed, rectifyBy: '2026-03-01' } })
      .refuses('registry.rectification-deadline-past', 'gz117:13.2');
  });

  test.each([
    ['clerk of the managing unit', clerk],
    ['officer of a department', department],
  ])('recorded by a %s alone, without the bureau, is refused', (_, by) => {
    system
      .given(...awaiting)
      .when({ ...accept, by })
      .refuses('registry.acceptance-without-bureau', 'gz117:13.2');
  });

  test.each([
    ['the bureau of another county', bureau('520103')],
    ['the bureau of another prefecture', bureau('5203')],
    ['a department that is no public security organ', falseOfficer],
  ])('gz117:4.2: recorded by %s is refused', (_, by) => {
    system
      .given(...awaiting)
      .when({ ...accept, by })
      .refuses('registry.outside-jurisdiction', 'gz117:4.2');
  });

  test('gz117:4.2: the bureau above takes part as well', () => {
    const record = { ...accept, by: bureau('5201') };
    const [event] = videoSystemDecider.decide(record, fold(videoSystemDecider, awaiting));
    expect(event).toMatchObject({ type: 'AcceptancePassed', data: { bureauDivision: '5201' } });
  });

  test.each([
    [accept, { acceptance: { ...passed, heldOn: '2026-03-02' } }, awaiting],
    [start, { construction: { ...construction, startedOn: '2026-03-02' } }, [planned, designFiled]],
    [
      request,
      { request: { ...acceptanceRequest, testReport: { sha256: 'ab', issuedOn: '2026-03-02' } } },
      underConstruction,
    ],
  ])('what lies ahead has not happened: $0.type', (command, change, history) => {
    system
      .given(...history)
      .when({ ...command, ...change } as VideoSystemCommand)
      .refuses('registry.day-ahead');
  });
});

describe('gz117:14: qualifications', () => {
  const expired = { ...plan.builder, qualificationValidTo: '2026-02-28' };
  const lastDay = { ...plan.builder, qualificationValidTo: '2026-03-01' };

  test.each(['designer', 'builder', 'maintainer'] as const)('a plan with an expired %s is refused', (who) => {
    system
      .given()
      .when({ ...planIt, plan: { ...plan, [who]: expired } })
      .refuses('registry.qualification-expired', 'gz117:14');
  });

  test('one that is valid today for the last time is taken', () => {
    const last = { ...plan, designer: lastDay };
    system
      .given()
      .when({ ...planIt, plan: last })
      .then({ type: 'VideoSystemPlanned', data: { ...last, division: NANMING } });
  });

  test('the last day ends at midnight in China, not in Greenwich', () => {
    const late = { ...planIt, plan: { ...plan, designer: lastDay }, at: '2026-03-01T16:00:00.000Z' };
    system.given().when(late).refuses('registry.qualification-expired', 'gz117:14');
    system
      .given()
      .when({ ...late, at: '2026-03-01T15:59:59.999Z' })
      .then({ type: 'VideoSystemPlanned', data: { ...late.plan, division: NANMING } });
  });

  test.each([
    ['designer', fileScheme, []],
    ['builder', start, [designFiled]],
    ['maintainer', operate, [designFiled, started, requested, facts.passed]],
  ] as const)(
    'a %s whose qualification has expired since the plan is refused when his turn comes',
    (who, command, rest) => {
      const old = { ...planned, data: { ...planned.data, [who]: expired } };
      system
        .given(old, ...rest)
        .when(command)
        .refuses('registry.qualification-expired', 'gz117:14');
    },
  );
});

describe('who may act on a video system', () => {
  test.each([planIt, fileScheme, start, request, operate])('$type: not a clerk of another unit', (command) => {
    const history = command.type === 'PlanVideoSystem' ? [] : [planned];
    system
      .given(...history)
      .when({ ...command, by: otherClerk })
      .refuses('registry.not-your-unit');
  });

  test.each([planIt, fileScheme, start, request, operate])(
    'gz117:4.2: $type: not a bureau from elsewhere',
    (command) => {
      const history = command.type === 'PlanVideoSystem' ? [] : [planned];
      system
        .given(...history)
        .when({ ...command, by: bureau('520103') })
        .refuses('registry.outside-jurisdiction', 'gz117:4.2');
    },
  );

  test('a clerk cannot plan a system in the name of another unit', () => {
    system
      .given()
      .when({ ...planIt, plan: { ...plan, managingUnitId: otherClerk.organisation.id } })
      .refuses('registry.not-your-unit');
  });
});

const anyone = fc.constantFrom<Principal>(
  clerk,
  otherClerk,
  department,
  falseOfficer,
  bureau(NANMING),
  bureau('5201'),
  bureau('520103'),
  bureau('5203'),
);
const anyCommand = fc
  .tuple(
    fc.constantFrom<VideoSystemCommand>(
      planIt,
      fileScheme,
      start,
      request,
      accept,
      { ...accept, acceptance: failed },
      operate,
      interrupt,
      resume,
      decommission,
    ),
    fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: anyone }),
  )
  .map(([command, by]) => (by === undefined ? command : { ...command, by }));

/** Lets a sequence of commands happen; refused ones leave nothing. */
function live(decide: typeof videoSystemDecider.decide, commands: readonly VideoSystemCommand[]) {
  const events: VideoSystemEvent[] = [];
  let state: VideoSystemState = videoSystemDecider.initialState();
  for (const command of commands) {
    try {
      const decided = decide(command, state);
      events.push(...decided);
      state = decided.reduce(videoSystemDecider.evolve, state);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
    }
  }
  return { events, state };
}

/** True when no operation began before a bureau with jurisdiction had let the system pass. */
function lawful({ events }: ReturnType<typeof live>): boolean {
  const first = events.findIndex((e) => e.type === 'OperationStarted');
  return (
    first < 0 ||
    events.slice(0, first).some((e) => e.type === 'AcceptancePassed' && covers(e.data.bureauDivision, NANMING))
  );
}

describe('gz117:13.2, gz117:4.2: whatever is tried in whatever order', () => {
  const sequences = fc.array(anyCommand, { maxLength: 60, size: 'max' });

  test('no system is in operation that a bureau with jurisdiction has not let pass', () => {
    let operating = 0;
    fc.assert(
      fc.property(sequences, (commands) => {
        const lived = live(videoSystemDecider.decide, commands);
        if (lived.state.status === 'in-operation') operating += 1;
        return lawful(lived);
      }),
      { numRuns: 500, seed: 117 },
    );
    expect(operating).toBeGreaterThan(0);
  });

  test('control: a decider that takes anyone’s word for the acceptance is found out', () => {
    const gullible: typeof videoSystemDecider.decide = (command, state) => {
      if (command.type !== 'RecordAcceptance' || state.status === 'absent') {
        return videoSystemDecider.decide(command, state);
      }
      const { organisation } = command.by;
      const decided = videoSystemDecider.decide({ ...command, by: bureau(state.division) }, state);
      return decided.map((event) =>
        event.type === 'AcceptancePassed'
          ? { ...event, data: { ...event.data, bureauDivision: organisation.division } }
          : event,
      );
    };
    const found = fc.check(
      fc.property(sequences, (commands) => lawful(live(gullible, commands))),
      { numRuns: 2_000, seed: 117 },
    );
    expect(found.failed).toBe(true);
  });
});
