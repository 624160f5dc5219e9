import { execFile } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { seededRandom } from '@weft/kernel';
import { bundleCommandLine } from '../subjects/weft.ts';
import type { Measure } from './measure.ts';

const run = promisify(execFile);
const LINES = 1_000_000;
const SERVICES = 20;
const RULES = 14;
const CHUNK = 1 << 20;

/** As the command prints it with `-o json`, as far as it is looked at. */
interface Report {
  readonly lines: number;
  readonly counts: Readonly<Record<string, number>>;
}

/**
 * `weft simulate` as a person runs it, built: a process of one thread that reads a file of access log and two configurations of 20 routes with 16
 * rules each, start included. Smaller is better, so it is time a line: 5 us are 200,000 lines a second.
 */
export const replay: Measure = {
  name: 'replay',
  what: `weft simulate on ${LINES.toLocaleString('en')} lines of access log: time a line, with calls that come again and with none that does`,
  byDefault: true,
  async take({ workbench, options, say }) {
    const program = await bundleCommandLine(workbench);
    const folder = workbench.makeFolder('replay');
    const [before, next] = ['before', 'next'].map((name) => {
      const place = join(folder, name);
      mkdirSync(place);
      writeFileSync(join(place, 'mesh.yaml'), configuration(name === 'next' ? 'canary' : 'service-0'));
      return place;
    }) as [string, string];
    const rounds: Record<string, number[]> = { common: [], unique: [] };
    const notes: string[] = [];
    for (const kind of ['common', 'unique']) {
      const log = join(folder, `${kind}.log`);
      writeLog(log, kind === 'common' ? 20 : 0);
      const args = [program, 'simulate', '--log', log, '-c', next, '--against', before, '-o', 'json'];
      for (let round = 1; round <= options.rounds; round += 1) {
        const startedMs = performance.now();
        const { stdout } = await run(process.execPath, args);
        const tookMs = performance.now() - startedMs;
        const { lines, counts } = JSON.parse(stdout) as Report;
        const judged = Object.values(counts).reduce((sum, count) => sum + count, 0);
        if (lines !== LINES || judged !== LINES) throw new Error(`${judged} of ${lines} lines were judged`);
        rounds[kind]!.push((tookMs * 1_000) / LINES);
        say(`${kind}, round ${round}: ${Math.round(LINES / (tookMs / 1_000)).toLocaleString('en')} lines/s`);
        if (round === 1) notes.push(`${kind}: ${counts['elsewhere']} elsewhere, ${counts['undecidable']} undecidable`);
      }
      rmSync(log);
    }
    return ['common', 'unique'].map((kind, index) => ({
      name: kind === 'common' ? 'replay' : 'replay-unique',
      unit: 'us a line',
      rounds: { weft: rounds[kind]! },
      limits: [{ kind: 'value', against: [], must: 5, goal: 2 }],
      absent: [],
      notes: [notes[index]!],
    }));
  },
};

/** One rule of each route asks for a header, which a log has not: of such lines the rule that won tells, or nothing does. */
function configuration(target: string): string {
  const names = Array.from({ length: SERVICES }, (_, index) => `service-${index}`);
  const service = (name: string): string =>
    `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}, namespace: shop}\nspec: {selector: {app: ${name}}, ports: [{name: http, port: 80}]}`;
  const route = (name: string): string => {
    const rules = Array.from({ length: RULES }, (_, index) => {
      const backend = index === 3 ? target : name;
      return `  - name: rule-${index}\n    matches: [{path: {value: /section-${index}}}]\n    backendRefs: [{name: ${backend}, port: 80}]`;
    });
    const beta = `  - name: beta\n    matches: [{path: {value: /section-14}, headers: [{name: x-beta, value: "1"}]}]\n    backendRefs: [{name: canary, port: 80}]`;
    return `apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: ${name}, namespace: shop}\nspec:\n  parentRefs: [{group: "", kind: Service, name: ${name}}]\n  rules:\n${rules.join('\n')}\n${beta}\n  - name: rest\n    backendRefs: [{name: ${name}, port: 80}]`;
  };
  return [...names, 'canary'].map(service).concat(names.map(route)).join('\n---\n');
}

/** `pages` different ones of each section; 0: no line has the path of another. */
function writeLog(path: string, pages: number): void {
  const random = seededRandom(1);
  const below = (limit: number): number => Math.floor(random() * limit);
  const file = openSync(path, 'w');
  let text = '';
  for (let index = 0; index < LINES; index += 1) {
    const service = below(SERVICES);
    const section = below(RULES + 2);
    const page = pages === 0 ? index : below(pages);
    const rule = section < RULES ? `rule-${section}` : section === RULES && below(5) === 0 ? 'beta' : 'rest';
    text += `{"time":"2026-11-22T22:00:00.${100 + below(899)}Z","level":"info","direction":"outbound","protocol":"http/1.1","method":"GET","authority":"service-${service}","path":"/section-${section}/items/${page}","status":200,"termination":"completed","flags":["mtls"],"durationMs":${below(9_000) / 1_000},"upstreamMs":1.25,"attempts":1,"requestBytes":0,"responseBytes":${below(90_000)},"requestId":"5f3a1c9e-${index}","traceId":"4bf92f3577b34da6a3ce929d0e0e4736","source":"shop/web","destination":"shop/service-${service}:80","route":"HTTPRoute shop/service-${service}","rule":"${rule}","upstreamAddress":"10.1.2.${below(250)}:15443","configVersion":"0123456789abcdef"}\n`;
    if (text.length > CHUNK || index === LINES - 1) {
      writeSync(file, text);
      text = '';
    }
  }
  closeSync(file);
}
