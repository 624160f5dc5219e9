/**
 * The Gateway API conformance suite, v1.6.1, mesh profiles, against Weft as it is installed in the cluster of
 * `test/cluster/machine` (running, with `weft install` done; README.md has the commands). Writes the report that the suite makes,
 * and beside it what Weft's own sidecars counted meanwhile: kube-proxy lets some tests pass without any mesh.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Tally } from '../tally.ts';
import { runTool } from '../tool-run.ts';
import { lacking } from '../tool-shed.ts';

const RUN_MS = 20 * 60_000;
const NAMESPACE = 'gateway-conformance-mesh';
const machine = join(import.meta.dirname, '..', '..', 'cluster', 'machine');
const version = '0.1.0';

export async function runGatewayApi(): Promise<Tally[]> {
  const tally = new Tally('gateway-api v1.6.1, mesh');
  const missing = await lacking(['kubectl']);
  const reached =
    missing.length > 0 ? 1 : (await kubectl(['get', 'deployment', 'weft-control', '-n', 'weft-system'])).code;
  if (reached !== 0) {
    tally.skip('all', 'needs kubectl and Weft in the cluster of test/cluster/machine (README.md)');
    return [tally];
  }
  const folder = join(import.meta.dirname, 'reports');
  mkdirSync(folder, { recursive: true });
  let output = '';
  // The suite wants an address and a contact, and the project has none of its own: it is where its repository is.
  const who = [
    '-organization=weft',
    '-project=weft',
    '-url=README.md of the repository that holds this report',
    `-version=${version}`,
    '-contact=the issues of the repository that holds this report',
  ];
  const flags = ['-namespace-labels=weft.dev/inject=enabled', '-cleanup-base-resources=false'];
  await runTool(
    join(machine, 'conformance'),
    ['mesh', ...flags, `-report-output=${join(folder, `standard-${version}-mesh-report.yaml`)}`, ...who],
    { timeoutMs: RUN_MS, onOutput: (text) => (output += text) },
  );
  for (const [, verdict, name = ''] of output.matchAll(/^ {4}--- (PASS|FAIL): TestConformance\/(\w+) /gm)) {
    if (verdict === 'PASS') tally.pass();
    else tally.fail(name, 'see the output of test/cluster/machine/conformance mesh');
  }
  if (tally.passed === 0) tally.fail('the run', output.trim().slice(-400));
  const counted = await countedRequests();
  writeFileSync(
    join(folder, `standard-${version}-mesh-requests.txt`),
    [...counted]
      .map(([series, count]) => `${count}\t${series}\n`)
      .sort()
      .join(''),
  );
  const byRoute = (kind: string): boolean => [...counted.keys()].some((series) => series.includes(`route="${kind} `));
  await tally.check('requests of the suite went through sidecars under HTTPRoutes and GRPCRoutes', () => {
    if (!byRoute('HTTPRoute') || !byRoute('GRPCRoute')) throw new Error(`counted ${[...counted.keys()].join('; ')}`);
  });
  await kubectl(['delete', 'namespace', NAMESPACE, `${NAMESPACE}-consumer`, '--wait=false']);
  return [tally];
}

/** What the sidecars of the suite's pods sent, by route, code and destination. */
async function countedRequests(): Promise<Map<string, number>> {
  const counted = new Map<string, number>();
  for (const namespace of [NAMESPACE, `${NAMESPACE}-consumer`]) {
    const { output } = await kubectl(['get', 'pods', '-n', namespace, '-o', 'jsonpath={.items[*].status.podIP}']);
    for (const address of output.split(/\s+/).filter((word) => /^[0-9.]+$/.test(word))) {
      const text = await (await fetch(`http://${address}:15020/metrics`)).text();
      for (const line of text.split('\n')) {
        if (!line.startsWith('weft_requests_total{direction="outbound"')) continue;
        const word = (label: string): string => `${label}="${new RegExp(`${label}="([^"]*)"`).exec(line)?.[1] ?? ''}"`;
        const series = ['route', 'rule', 'destination', 'code'].map(word).join(' ');
        counted.set(series, (counted.get(series) ?? 0) + Number(line.slice(line.lastIndexOf(' ') + 1)));
      }
    }
  }
  return counted;
}

function kubectl(args: readonly string[]): ReturnType<typeof runTool> {
  return runTool('kubectl', args, { timeoutMs: 30_000 });
}
