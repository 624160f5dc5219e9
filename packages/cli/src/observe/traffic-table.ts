import type { GetTrafficResponse, Traffic } from '@weft/wire';
import type { Cell } from '../output/text-table.ts';

/** One line of a table of traffic: rows that share a key are added. */
interface Line {
  readonly key: readonly string[];
  requests: number;
  failures: number;
  retries: number;
  secured: number;
  plaintext: number;
  /** Of one row exact; of several the slowest. */
  p50Ms: number;
  p90Ms: number;
  p99Ms: number;
  bytes: number;
}

export interface TrafficTable {
  readonly headings: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
}

/** `weft stat`: golden signals of each service, of what arrives there. */
export function statTable(traffic: GetTrafficResponse): TrafficTable {
  const lines = group(traffic.edges, ({ destination, tcp }) => [destination, tcp ? 'tcp' : 'http']);
  return {
    headings: ['service', 'protocol', 'requests/s', 'success', 'retries/s', 'p50', 'p90', 'p99', 'mtls', 'traffic'],
    rows: lines.map((line) => [
      ...line.key,
      ...signals(line, traffic.coveredMs),
      secured(line),
      bytesPerSecond(line.bytes, traffic),
    ]),
  };
}

/** `weft edges`: who talks to whom, secured or not. */
export function edgesTable(traffic: GetTrafficResponse): TrafficTable {
  const lines = group(traffic.edges, ({ source, destination, workload, tcp, direction }) => [
    source,
    destination,
    workload === destination ? '' : workload,
    tcp ? 'tcp' : 'http',
    direction === 'Outbound' ? 'caller' : 'callee',
  ]);
  return {
    headings: [
      'from',
      'to',
      'carried by',
      'protocol',
      'counted by',
      'mtls',
      'requests/s',
      'success',
      'retries/s',
      'p50',
      'p90',
      'p99',
    ],
    rows: lines.map((line) => [...line.key, secured(line), ...signals(line, traffic.coveredMs)]),
  };
}

/** `weft routes`: what each rule carries. */
export function routesTable(traffic: GetTrafficResponse): TrafficTable {
  const lines = group(traffic.edges, ({ destination, route, rule }) => [destination, route, rule]);
  return {
    headings: ['service', 'route', 'rule', 'requests/s', 'success', 'retries/s', 'p50', 'p90', 'p99'],
    rows: lines.map((line) => [...line.key, ...signals(line, traffic.coveredMs)]),
  };
}

function group(edges: readonly Traffic[], keyOf: (edge: Traffic) => readonly string[]): Line[] {
  const lines = new Map<string, Line>();
  for (const edge of edges) {
    const key = keyOf(edge);
    const name = key.join('\n');
    let line = lines.get(name);
    if (line === undefined) {
      line = {
        key,
        requests: 0,
        failures: 0,
        retries: 0,
        secured: 0,
        plaintext: 0,
        p50Ms: -1,
        p90Ms: -1,
        p99Ms: -1,
        bytes: 0,
      };
      lines.set(name, line);
    }
    line.requests += edge.requests;
    line.failures += edge.failures;
    line.retries += edge.retries;
    line.secured += edge.secured;
    line.plaintext += edge.plaintext;
    line.bytes += edge.requestBytes + edge.responseBytes;
    line.p50Ms = Math.max(line.p50Ms, edge.p50Ms);
    line.p90Ms = Math.max(line.p90Ms, edge.p90Ms);
    line.p99Ms = Math.max(line.p99Ms, edge.p99Ms);
  }
  return [...lines.values()].sort((left, right) => (left.key.join(' ') < right.key.join(' ') ? -1 : 1));
}

function signals(line: Line, coveredMs: number): Cell[] {
  const perSecond = (count: number): string => (coveredMs === 0 ? '' : figure((count * 1_000) / coveredMs));
  return [
    perSecond(line.requests),
    success(line),
    perSecond(line.retries),
    latency(line.p50Ms),
    latency(line.p90Ms),
    latency(line.p99Ms),
  ];
}

function success({ requests, failures }: Line): Cell {
  if (requests === 0) return '';
  const share = ((requests - failures) * 100) / requests;
  const text = failures === 0 ? '100 %' : `${Math.min(99.99, share).toFixed(2)} %`;
  if (failures === 0) return text;
  return { text, colour: share < 99 ? 'red' : 'yellow' };
}

/** Of what had a connection; a dash where nothing had one. */
function secured({ plaintext, secured: count }: Line): Cell {
  if (count + plaintext === 0) return '';
  if (plaintext === 0) return { text: 'yes', colour: 'green' };
  return { text: count === 0 ? 'no' : `${Math.floor((count * 100) / (count + plaintext))} %`, colour: 'red' };
}

function bytesPerSecond(count: number, { coveredMs }: GetTrafficResponse): string {
  if (coveredMs === 0) return '';
  let scaled = (count * 1_000) / coveredMs;
  const units = ['B/s', 'kB/s', 'MB/s', 'GB/s'];
  let unit = 0;
  for (; scaled >= 999.5 && unit < units.length - 1; unit += 1) scaled /= 1_000;
  return `${figure(scaled)} ${units[unit]}`;
}

/** What is there is not called nothing. */
function figure(value: number): string {
  if (value > 0 && value < 0.05) return '<0.1';
  return value >= 100 ? String(Math.round(value)) : String(Math.round(value * 10) / 10);
}

function latency(ms: number): string {
  if (ms < 0) return '';
  return ms >= 1_000 ? `${(ms / 1_000).toFixed(2)}s` : `${ms >= 10 ? Math.round(ms) : Math.round(ms * 10) / 10}ms`;
}
