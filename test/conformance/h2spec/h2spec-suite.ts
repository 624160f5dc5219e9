/**
 * h2spec 2.2.1, strict cases included: against the codec alone, the inbound side of a sidecar, plain and over mutual TLS, and a
 * gateway's HTTPS.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Tally } from '../tally.ts';
import { runTool } from '../tool-run.ts';
import { goTool, lacking } from '../tool-shed.ts';
import { startCodecTarget } from './codec-target.ts';
import type { Target } from './codec-target.ts';
import { startGatewayTarget } from './gateway-target.ts';
import { startMeshTarget, startPlainTarget } from './proxy-targets.ts';

const CASE_SECONDS = 2;
const RUN_MS = 10 * 60_000;

interface Subject {
  readonly name: string;
  readonly flags: readonly string[];
  start(): Promise<Target>;
}

const subjects: readonly Subject[] = [
  { name: 'codec', flags: [], start: startCodecTarget },
  { name: 'inbound side, plain', flags: [], start: () => startPlainTarget() },
  { name: 'inbound side, mutual TLS', flags: [], start: startMeshTarget },
  { name: 'gateway, HTTPS', flags: ['-t', '-k'], start: startGatewayTarget },
];

export async function runH2spec(): Promise<Tally[]> {
  if ((await lacking(['go'])).length > 0) {
    const tally = new Tally('h2spec');
    tally.skip('all', 'needs go, to install it');
    return [tally];
  }
  const program = await goTool('h2spec', 'github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible');
  const tallies: Tally[] = [];
  for (const subject of subjects) {
    const target = await subject.start();
    try {
      tallies.push(await examine(program, subject, target));
    } finally {
      await target.close();
    }
  }
  return tallies;
}

async function examine(program: string, subject: Subject, target: Target): Promise<Tally> {
  const tally = new Tally(`h2spec, ${subject.name}`);
  const folder = mkdtempSync(join(tmpdir(), 'weft-h2spec-'));
  try {
    const report = join(folder, 'report.xml');
    const where = ['-h', '127.0.0.1', '-p', String(target.port), '-o', String(CASE_SECONDS), ...subject.flags];
    const { code, output } = await runTool(program, ['-S', '-j', report, ...where], { timeoutMs: RUN_MS });
    readReport(readFileSync(report, 'utf8'), tally);
    if (tally.passed === 0) tally.fail('the run', `ended with ${code}: ${output.trim().slice(-400)}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return tally;
}

/** A JUnit report; what h2spec says of a failure stands inside of its case. */
export function readReport(xml: string, tally: Tally): void {
  const cases = /<testcase package="([^"]*)" classname="([^"]*)"[^>]*?(?:\/>|>([\s\S]*?)<\/testcase>)/g;
  for (const [, section, name, inside] of xml.matchAll(cases)) {
    const title = `${section}: ${name}`;
    if (inside?.includes('<failure') === true || inside?.includes('<error') === true) {
      tally.fail(
        title,
        inside
          .replace(/<[^>]*>/g, ' ')
          .replace(/\s+/g, ' ')
          .trim(),
      );
    } else if (inside?.includes('<skipped') === true) tally.skip(title, 'skipped by h2spec');
    else tally.pass();
  }
}
