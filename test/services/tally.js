import { writeSync } from 'node:fs';

/** Jest reporter: one plain closing line that people and machines read alike. */
export class Tally {
  onRunComplete(_contexts, { numFailedTests, numRuntimeErrorTestSuites, numPassedTests, numPendingTests }) {
    const failed = numFailedTests + numRuntimeErrorTestSuites;
    const skipped = numPendingTests > 0 ? `, ${numPendingTests} skipped` : '';
    // Jest's own summary comes after every other reporter; the tally comes last.
    process.once('exit', () => writeSync(1, `${numPassedTests} passed, ${failed} failed${skipped}\n`));
  }
}
export { Tally as default };
