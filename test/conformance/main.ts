/**
 * Conformance suites of others, and ours beside them: `npm run conformance -- h2spec|hpack|grpc|client|python|gateway-api|all`. Each installs its tool
 * by its ordinary client when it is absent. The last line is `N passed, N failed`; the exit code is 1 when one failed.
 */
import { runClientRole } from './client-role/client-suite.ts';
import { runGatewayApi } from './gateway-api/gateway-api-suite.ts';
import { runGrpc } from './grpc/grpc-suite.ts';
import { runH2spec } from './h2spec/h2spec-suite.ts';
import { runHpack } from './hpack/hpack-suite.ts';
import { runPython } from './python/python-suite.ts';
import { Tally } from './tally.ts';

const suites: ReadonlyMap<string, () => Promise<Tally[]>> = new Map([
  ['h2spec', runH2spec],
  ['hpack', runHpack],
  ['grpc', runGrpc],
  ['client', runClientRole],
  ['python', runPython],
  ['gateway-api', runGatewayApi],
]);

const asked = process.argv.slice(2);
const wanted = asked.includes('all') ? [...suites.keys()] : asked;
if (wanted.length === 0 || wanted.some((name) => !suites.has(name))) {
  console.error(`say which: ${[...suites.keys(), 'all'].join(', ')}`);
  process.exit(2);
}
let passed = 0;
let failed = 0;
for (const name of wanted) {
  for (const tally of await runSuite(name)) {
    console.log(tally.lines().join('\n'));
    passed += tally.passed;
    failed += tally.failures.length;
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);

/** A suite that cannot even begin, for want of a network for one, has failed as a whole and keeps no other from running. */
async function runSuite(name: string): Promise<Tally[]> {
  try {
    return await suites.get(name)!();
  } catch (error) {
    const tally = new Tally(name);
    tally.fail('the suite', error instanceof Error ? error.message : String(error));
    return [tally];
  }
}
