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

interface Shape {
  readonly name: string;
  readonly match: (index: number) => Partial<RouteMatch>;
  readonly hostnames?: (index: number) => string[];
  readonly request: (index: number) => Partial<RequestView>;
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
    request: (index) => ({ valueOf: () => word(index) }),
  },
  {
    name: 'pattern',
    match: (index) => ({ path: { type: 'RegularExpression', value: `/shop/${word(index)}/[0-9]+` } }),
    request: (index) => ({ path: `/shop/${word(index)}/17` }),
  },
];

for (const shape of shapes) {
  const one = tableOf(shape, 1);
  const many = tableOf(shape, ROUTES);
  const first = [viewOf(shape, 0)];
  const random = seededRandom(7);
  const others = Array.from({ length: 1000 }, () => viewOf(shape, Math.floor(random() * ROUTES)));
  const ofOne: number[] = [];
  const ofMany: number[] = [];
  const ofFew: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    ofOne.push(measureNs(one, first));
    ofMany.push(measureNs(many, first));
    ofFew.push(measureNs(many, others));
  }
  const [a, b, c] = [median(ofOne), median(ofMany), median(ofFew)];
  const steps = [one, many].map((table) => (table.find(first[0]!), table.steps)).join(' -> ');
  console.log(
    `${shape.name.padEnd(12)} 1 route ${a.toFixed(0).padStart(5)} ns   ${ROUTES} routes, same request ${b.toFixed(0).padStart(5)} ns ` +
      `(${(b / a).toFixed(2)}x)   random requests ${c.toFixed(0).padStart(5)} ns (${(c / a).toFixed(2)}x)   steps ${steps}`,
  );
}

function tableOf(shape: Shape, count: number): MatchTable {
  const rules = Array.from({ length: count }, (_, index): RouteRule => {
    const match: RouteMatch = {
      path: { type: 'PathPrefix', value: '/' },
      method: '',
      headers: [],
      queries: [],
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
  return { method: 'GET', authority: 'h', path: '/', query: '', valueOf: () => undefined, ...shape.request(index) };
}

function measureNs(table: MatchTable, views: readonly RequestView[]): number {
  let found = 0;
  const start = systemClock.nowMs();
  for (let index = 0; index < LOOKUPS; index += 1) {
    if (table.find(views[index % views.length]!) !== undefined) found += 1;
  }
  const ns = ((systemClock.nowMs() - start) * 1e6) / LOOKUPS;
  if (found !== LOOKUPS) throw new Error(`${LOOKUPS - found} lookups found nothing`);
  return ns;
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1]!;
}
