/** `npm run bench`: Weft beside its peers. README.md says how to read it. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { benchUsage, readBenchOptions } from './bench-options.ts';
import { figureOf } from './figure.ts';
import type { Figure } from './figure.ts';
import { loadText, machineText, readCpuTicks, stealPercentSince } from './machine-state.ts';
import { measures } from './measures/measure-list.ts';
import { writeReport } from './report-table.ts';
import { installEnvoy } from './subjects/envoy.ts';
import { makePairCertificates } from './subjects/pair-certificates.ts';
import { subjects } from './subjects/subject-list.ts';
import { otherWeft, useV8Flags } from './subjects/weft.ts';
import { Workbench } from './workbench.ts';

const read = readBenchOptions(
  process.argv.slice(2),
  measures.map(({ name }) => name),
);
if (!read.ok) {
  console.error(read.error);
  process.exit(2);
}
const options = read.value;
if (options.help) {
  console.log(benchUsage);
  process.exit(0);
}
if (options.list) {
  for (const { name, what, byDefault } of measures) {
    console.log(`${name.padEnd(12)} ${what}${byDefault ? '' : ' (only by --only)'}`);
  }
  process.exit(0);
}
const chosenMeasures = measures.filter(({ name, byDefault }) =>
  options.only.length === 0 ? byDefault : options.only.includes(name),
);
const ownWidth = options.connections === undefined && options.streams === undefined;
const fixed = chosenMeasures.filter(({ takesWidth }) => takesWidth !== true);
if (!ownWidth && fixed.length > 0) {
  const takers = measures.filter(({ takesWidth }) => takesWidth === true);
  console.error(
    `${fixed[0]!.name} has a width of its own; name with --only those that take another: ${takers.map(({ name }) => name).join(', ')}`,
  );
  process.exit(2);
}
if (process.platform !== 'linux') {
  console.error('the bench reads /proc and needs Linux');
  process.exit(1);
}
if (options.installPeers) {
  const failure = installEnvoy();
  if (failure !== undefined) console.log(`Envoy could not be installed: ${failure}`);
}

const workbench = new Workbench();
const startMs = performance.now();
const say = (line: string): void => {
  const seconds = Math.round((performance.now() - startMs) / 1_000);
  console.log(`${String(seconds).padStart(5)} s  ${line}`);
};
if (options.v8Flags.length > 0) useV8Flags(options.v8Flags);
const chosen = [
  ...subjects.filter(({ name }) => options.subjects.length === 0 || options.subjects.includes(name)),
  ...(options.otherV8Flags === undefined && options.otherProgram === undefined
    ? []
    : [otherWeft(options.otherV8Flags, options.otherProgram)]),
];
const ticks = readCpuTicks();

console.log(machineText());
if (!workbench.pinned) console.log('without taskset or a second processor nothing is pinned: figures are worth little');
if (!workbench.isAhead) console.log('no right to raise priorities: what else runs here disturbs more');
for (const subject of chosen) {
  const reason = subject.absent('plain');
  console.log(`  ${subject.name.padEnd(8)} ${reason === undefined ? subject.version() : `absent: ${reason}`}`);
}
console.log(`load ${loadText()}`);

const certificates = makePairCertificates(workbench.makeFolder('certificates'));
const taken: { figure: Figure; notes: readonly string[] }[] = [];
const failures: string[] = [];
for (const measure of chosenMeasures) {
  say(`${measure.name}: ${measure.what}`);
  const before = readCpuTicks();
  try {
    for (const each of await measure.take({ workbench, options, subjects: chosen, certificates, say })) {
      taken.push({ figure: figureOf(ownWidth ? each : { ...each, limits: [] }), notes: each.notes });
    }
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    const message = text.split('\n', 3).join(' ');
    failures.push(`${measure.name} could not be taken: ${message}`);
    say(failures.at(-1)!);
  }
  await workbench.stopAll();
  say(`${measure.name}: done, load ${loadText()}, steal ${stealPercentSince(before).toFixed(2)} %`);
}

const colours = { enabled: process.stdout.isTTY && !process.env['NO_COLOR'] };
if (taken.length > 0) console.log(`\n${writeReport(taken, colours)}`);
console.log(`\nload ${loadText()}, steal ${stealPercentSince(ticks).toFixed(2)} % over the whole run`);
for (const failure of failures) console.error(failure);
if (options.json !== undefined) {
  const path = resolve(options.json);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(
    path,
    `${JSON.stringify(
      taken.map(({ figure }) => figure),
      null,
      2,
    )}\n`,
  );
}
// Not by the end of the event loop: a peer's process that lingers must not hold us.
process.exit(failures.length === 0 ? 0 : 1);
