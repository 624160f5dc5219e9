/**
 * Lines of an access log replayed in a second: `node packages/analysis/src/replay/log-replay.bench.ts [lines]`. Two logs: one
 * of some thousands of different requests, as calls between services are, and one in which none comes twice.
 */
import { seededRandom } from '@weft/kernel';
import { Dice, modelOf } from '../generated-mesh-fixture.ts';
import { LogReplay } from './log-replay.ts';

const LINES = Number(process.argv[2] ?? 400_000);
const ROUNDS = 5;
const CHUNK_CHARS = 1 << 20;

function routes(target: string): unknown[] {
  const service = (name: string): unknown => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'shop' },
    spec: { selector: { app: name }, ports: [{ name: 'http', port: 80 }] },
  });
  const names = Array.from({ length: 20 }, (_, index) => `service-${index}`);
  const routed = names.map((name) => ({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name, namespace: 'shop' },
    spec: {
      parentRefs: [{ group: '', kind: 'Service', name }],
      rules: [
        ...Array.from({ length: 15 }, (_, index) => ({
          name: `rule-${index}`,
          matches: [{ path: { value: `/section-${index}` } }],
          backendRefs: [{ name: index === 3 ? target : name, port: 80 }],
        })),
        { name: 'rest', backendRefs: [{ name, port: 80 }] },
      ],
    },
  }));
  return [...names.map(service), service('canary'), ...routed];
}

function logOf(paths: number): string[] {
  const dice = new Dice(seededRandom(1));
  const chunks: string[] = [];
  let text = '';
  for (let index = 0; index < LINES; index += 1) {
    const service = dice.number(20);
    const section = dice.number(17);
    const page = paths === 0 ? index : dice.number(paths);
    const rule = section < 15 ? `rule-${section}` : 'rest';
    text += `{"time":"2026-11-22T22:00:00.${100 + dice.number(899)}Z","level":"info","direction":"outbound","protocol":"http/1.1","method":"GET","authority":"service-${service}","path":"/section-${section}/items/${page}","status":200,"termination":"completed","flags":["mtls"],"durationMs":${dice.number(9000) / 1000},"upstreamMs":1.25,"attempts":1,"requestBytes":0,"responseBytes":${dice.number(90000)},"requestId":"5f3a1c9e-${index}","traceId":"4bf92f3577b34da6a3ce929d0e0e4736","source":"shop/web","destination":"shop/service-${service}:80","route":"HTTPRoute shop/service-${service}","rule":"${rule}","upstreamAddress":"10.1.2.${dice.number(250)}:15443","configVersion":"0123456789abcdef"}\n`;
    if (text.length > CHUNK_CHARS) {
      chunks.push(text);
      text = '';
    }
  }
  return [...chunks, text];
}

const before = modelOf(routes('service-0'));
const after = modelOf(routes('canary'));
for (const [name, paths] of [
  ['6,800 different requests', 20],
  ['no request twice', 0],
] as const) {
  const chunks = logOf(paths).map((chunk) => Buffer.from(chunk));
  const rates: number[] = [];
  const cpuRates: number[] = [];
  let said = '';
  for (let round = 0; round < ROUNDS; round += 1) {
    const startedMs = performance.now();
    const startedCpu = process.cpuUsage();
    const replay = new LogReplay({ next: after, against: before, gateway: '' });
    for (const chunk of chunks) replay.feed(chunk);
    const { counts, requests } = replay.finish();
    rates.push(Math.round(LINES / ((performance.now() - startedMs) / 1000)));
    const { user, system } = process.cpuUsage(startedCpu);
    cpuRates.push(Math.round(LINES / ((user + system) / 1_000_000)));
    said = `${counts.elsewhere} of ${requests} elsewhere`;
  }
  const bytes = chunks.reduce((sum, { length }) => sum + length, 0);
  console.log(
    `${name}: ${rates.join(' ')} lines/s; of a second of processor ${cpuRates.join(' ')} (${Math.round(bytes / LINES)} bytes a line; ${said})`,
  );
}
