/** Jest reporter: one plain closing line that people and machines read alike. */
export class Tally {
  onRunComplete(_contexts, results) {
    const broken = results.numFailedTests + results.numRuntimeErrorTestSuites;
    process.stdout.write(`${results.numPassedTests} passed, ${broken} failed, ${results.numPendingTests} skipped\n`);
  }
}
export { Tally as default };
