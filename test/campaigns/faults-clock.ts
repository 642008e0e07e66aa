/**
 * Loaded by `node --import` into one service of the fault campaign: at SIGUSR2 its wall clock is set to be off by the
 * milliseconds that stand in the file named by CLOCK_STEP_FILE. What counts monotonically goes on undisturbed.
 */
import { readFileSync } from 'node:fs';

const RealDate = Date;
let offsetMs = 0;

process.on('SIGUSR2', () => {
  offsetMs = Number(readFileSync(process.env.CLOCK_STEP_FILE!, 'utf8'));
});

globalThis.Date = new Proxy(RealDate, {
  construct: (target, given: [], newTarget) =>
    given.length === 0
      ? Reflect.construct(target, [RealDate.now() + offsetMs], newTarget)
      : Reflect.construct(target, given, newTarget),
  apply: (target) => new target(RealDate.now() + offsetMs).toString(),
  get: (target, name, receiver) =>
    name === 'now' ? () => RealDate.now() + offsetMs : Reflect.get(target, name, receiver),
});
