/**
 * Nanoseconds and steps of one lookup in a table of 1 and of 10,000 routes, interleaved, median of the rounds.
 *
 *     node packages/routing/src/bench/lookup.ts
 */
import { seededRandom, systemClock } from '@weft/kernel';
import type { RouteMatch, RouteRule } from '@weft/model';
import { type MatchTable, type RequestView, compileMatchTable } from '../index.ts';

const ROUTES = 10_000;
const LOOKUPS = 20_000;
const ROUNDS = 9;

interface RequestWords {
  readonly authority?: string;
  readonly path?: string;
  readonly tenant?: string;
}

interface Shape {
  readonly name: string;
  readonly match: (index: number) => Partial<RouteMatch>;
  readonly hostnames?: (index: number) => string[];
  readonly request: (index: number) => RequestWords;
}

const timeouts = { requestMs: 0, backendRequestMs: 0, connectMs: 0, streamIdleMs: 0 };
const retries: RouteRule['retries'] = {
  attempts: 0,
  on: [],
  statuses: [],
  grpcStatuses: [],
  anyMethod: false,
  backoffBaseMs: 0,
  backoffMaxMs: 0,
  bodyLimitBytes: 0,
  budget: { percent: 0, minimumPerSecond: 0, windowMs: 0 },
};

const word = (index: number): string => `s${index.toString(36).padStart(3, '0')}`;

const shapes: Shape[] = [
  {
    name: 'exact path',
    match: (index) => ({ path: { type: 'Exact', value: `/shop/${word(index)}/detail` } }),
    request: (index) => ({ path: `/shop/${word(index)}/detail` }),
  },
  {
    name: 'prefix',
    match: (index) => ({ path: { type: 'PathPrefix', value: `/shop/${word(index)}` } }),
    request: (index) => ({ path: `/shop/${word(index)}/7/8` }),
  },
  {
    name: 'host',
    match: () => ({}),
    hostnames: (index) => [`${word(index)}.example`],
    request: (index) => ({ authority: `${word(index)}.example` }),
  },
  {
    name: 'header',
    match: (index) => ({ headers: [{ type: 'Exact', name: 'x-tenant', value: word(index) }] }),
    request: (index) => ({ tenant: word(index) }),
  },
  {
    name: 'pattern',
    match: (index) => ({ path: { type: 'RegularExpression', value: `/shop/${word(index)}/[0-9]+` } }),
    request: (index) => ({ path: `/shop/${word(index)}/17` }),
  },
];

// A big table is compared with one of a single route twice: with the same request again and again, and with random
// requests, which find the caches cold. For the latter every one of a thousand requests has a small table of its own.
for (const shape of shapes) {
  const random = seededRandom(7);
  const picked = Array.from({ length: 1000 }, () => Math.floor(random() * ROUTES));
  const views = picked.map((index) => viewOf(shape, index));
  const small = picked.map((index) => tableOf(shape, index, 1));
  const big = tableOf(shape, 0, ROUTES);
  const figures: Record<'one' | 'many' | 'ones' | 'manys', number[]> = { one: [], many: [], ones: [], manys: [] };
  for (let round = 0; round < ROUNDS; round += 1) {
    figures.one.push(measureNs(small.slice(0, 1), views.slice(0, 1)));
    figures.many.push(measureNs([big], views.slice(0, 1)));
    figures.ones.push(measureNs(small, views));
    figures.manys.push(measureNs([big], views));
  }
  const steps = [small[0]!, big].map((table) => (table.find(views[0]!), table.steps)).join(' -> ');
  console.log(
    `${shape.name.padEnd(12)} same request: ${compare(figures.one, figures.many)}   random: ${compare(figures.ones, figures.manys)}   steps ${steps}`,
  );
}

function compare(one: number[], many: number[]): string {
  const [a, b] = [median(one), median(many)];
  return `1 route ${a.toFixed(0)} ns, ${ROUTES} ${b.toFixed(0)} ns (${(b / a).toFixed(2)}x)`;
}

function tableOf(shape: Shape, from: number, count: number): MatchTable {
  const rules = Array.from({ length: count }, (_, offset): RouteRule => {
    const index = from + offset;
    const match: RouteMatch = {
      path: { type: 'PathPrefix', value: '/' },
      method: '',
      headers: [],
      queries: [],
      grpc: null,
      ...shape.match(index),
    };
    const hostnames = shape.hostnames?.(index) ?? [];
    return {
      route: 'r',
      rule: String(index),
      hostnames,
      matches: [match],
      filters: [],
      backends: [],
      timeouts,
      retries,
    };
  });
  const compiled = compileMatchTable(rules);
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.error));
  return compiled.value;
}

function viewOf(shape: Shape, index: number): RequestView {
  const { authority = 'h', path = '/', tenant } = shape.request(index);
  return { method: 'GET', authority, path, query: '', valueOf: () => tenant };
}

function measureNs(tables: readonly MatchTable[], views: readonly RequestView[]): number {
  let found = 0;
  const start = systemClock.nowMs();
  for (let index = 0; index < LOOKUPS; index += 1) {
    if (tables[index % tables.length]!.find(views[index % views.length]!) !== undefined) found += 1;
  }
  const ns = ((systemClock.nowMs() - start) * 1e6) / LOOKUPS;
  if (found !== LOOKUPS) throw new Error(`${LOOKUPS - found} lookups found nothing`);
  return ns;
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1]!;
}
