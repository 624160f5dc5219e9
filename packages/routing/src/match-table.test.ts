import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import test from 'node:test';
import { Http1RequestReader, type MessageSink, http1Defaults } from '@weft/http';
import { type Random, seededRandom } from '@weft/kernel';
import type { GrpcMethodMatch, RouteMatch, RouteRule, ValueMatch } from '@weft/model';
import { explain } from './explanation.ts';
import { type MatchTable, compileMatchTable, compileMatchTableInSteps } from './match-table.ts';
import type { RequestView } from './request-view.ts';

interface MatchWords {
  exact?: string;
  prefix?: string;
  regex?: string;
  method?: string;
  /** `name=value`, or `name~pattern`. */
  headers?: string[];
  queries?: string[];
  grpc?: GrpcMethodMatch;
}

function valueMatch(text: string): ValueMatch {
  const at = text.search(/[=~]/);
  return {
    type: text[at] === '~' ? 'RegularExpression' : 'Exact',
    name: text.slice(0, at),
    value: text.slice(at + 1),
  };
}

function match(words: MatchWords): RouteMatch {
  const path: RouteMatch['path'] =
    words.exact !== undefined
      ? { type: 'Exact', value: words.exact }
      : words.regex !== undefined
        ? { type: 'RegularExpression', value: words.regex }
        : { type: 'PathPrefix', value: words.prefix ?? '/' };
  return {
    path,
    method: words.method ?? '',
    headers: (words.headers ?? []).map(valueMatch),
    queries: (words.queries ?? []).map(valueMatch),
    grpc: words.grpc ?? null,
  };
}

function rule(matches: MatchWords[], hostnames: string[] = []): RouteRule {
  return {
    route: 'HTTPRoute shop/orders',
    rule: '0',
    hostnames,
    matches: matches.map(match),
    filters: [],
    backends: [],
    timeouts: { requestMs: 0, backendRequestMs: 0, connectMs: 1000, streamIdleMs: 0 },
    retries: {
      attempts: 0,
      on: [],
      statuses: [],
      grpcStatuses: [],
      anyMethod: false,
      backoffBaseMs: 25,
      backoffMaxMs: 250,
      bodyLimitBytes: 0,
      budget: { percent: 20, minimumPerSecond: 1, windowMs: 10_000 },
    },
  };
}

/** `GET orders.example/path?query` and headers. */
function request(text: string, headers: Record<string, string> = {}): RequestView {
  const [method, target] = text.split(' ') as [string, string];
  const slash = target.indexOf('/');
  const [path, query] = target.slice(slash).split('?') as [string, string | undefined];
  return {
    method,
    authority: target.slice(0, slash),
    path,
    query: query ?? '',
    valueOf: (name) => headers[name],
  };
}

function compile(rules: RouteRule[]): MatchTable {
  const compiled = compileMatchTable(rules);
  assert.ok(compiled.ok, JSON.stringify(compiled));
  return compiled.value;
}

interface Case {
  rules: (MatchWords | MatchWords[] | { host: string[]; matches: MatchWords[] })[];
  /** Request, headers, index of the rule that wins; -1 is none. */
  requests: [string, Record<string, string>, number][];
}

const cases: Record<string, Case> = {
  'an exact path matches itself only': {
    rules: [{ exact: '/one' }],
    requests: [
      ['GET h/one', {}, 0],
      ['GET h/one/', {}, -1],
      ['GET h/one/two', {}, -1],
      ['GET h/ONE', {}, -1],
      ['GET h/', {}, -1],
    ],
  },
  'a prefix matches by whole segments, with or without a slash at its end': {
    rules: [{ prefix: '/foo' }, { prefix: '/bar/' }],
    requests: [
      ['GET h/foo', {}, 0],
      ['GET h/foo/', {}, 0],
      ['GET h/foo/bar', {}, 0],
      ['GET h/foo//bar', {}, 0],
      ['GET h/foobar', {}, -1],
      ['GET h/fo', {}, -1],
      ['GET h/bar', {}, 1],
      ['GET h/bar/', {}, 1],
      ['GET h/bar/x', {}, 1],
      ['GET h/barn', {}, -1],
      ['GET h//foo', {}, -1],
    ],
  },
  'the prefix / matches every path': {
    rules: [{ prefix: '/' }],
    requests: [
      ['GET h/', {}, 0],
      ['GET h/a', {}, 0],
      ['GET h//', {}, 0],
      ['POST h/a/b/c', {}, 0],
    ],
  },
  'a request about the server as a whole is taken by the prefix / alone': {
    rules: [{ prefix: '/a' }, { prefix: '/' }, { exact: '/' }],
    requests: [['OPTIONS h*', {}, 1]],
  },
  'an exact path stands above a prefix, the longer prefix above the shorter': {
    rules: [{ prefix: '/' }, { prefix: '/a' }, { prefix: '/a/b' }, { exact: '/a/b' }, { prefix: '/a/b/c/' }],
    requests: [
      ['GET h/a/b', {}, 3],
      ['GET h/a/b/', {}, 2],
      ['GET h/a/b/x', {}, 2],
      ['GET h/a/b/c', {}, 4],
      ['GET h/a/x', {}, 1],
      ['GET h/ab', {}, 0],
    ],
  },
  'a path stands above a method, a method above headers, headers above query parameters': {
    rules: [
      { prefix: '/', method: 'GET', headers: ['a=1', 'b=2'], queries: ['q=1'] },
      { prefix: '/p' },
      { prefix: '/p', queries: ['q=1', 'r=1'] },
      { prefix: '/p', headers: ['a=1'] },
      { prefix: '/p', headers: ['a=1', 'b=2'] },
      { prefix: '/p', method: 'POST' },
    ],
    requests: [
      ['GET h/p', {}, 1],
      ['GET h/p?q=1&r=1', {}, 2],
      ['GET h/p?q=1&r=1', { a: '1' }, 3],
      ['GET h/p?q=1&r=1', { a: '1', b: '2' }, 4],
      ['POST h/p?q=1&r=1', { a: '1', b: '2' }, 5],
      ['GET h/x?q=1', { a: '1', b: '2' }, 0],
    ],
  },
  'among equals the first given wins': {
    rules: [
      { prefix: '/p', headers: ['a=1'] },
      { prefix: '/p', headers: ['b=1'] },
      [{ prefix: '/p', headers: ['a=1'] }],
      [{ exact: '/never' }, { prefix: '/p', headers: ['c=1'] }],
    ],
    requests: [
      ['GET h/p', { a: '1', b: '1' }, 0],
      ['GET h/p', { b: '1', c: '1' }, 1],
      ['GET h/p', { c: '1' }, 3],
    ],
  },
  'all conditions of one match hold together, one of several matches is enough': {
    rules: [
      [
        { prefix: '/v2', headers: ['version=two'] },
        { prefix: '/v2', headers: ['color=orange', 'shape=round'] },
      ],
    ],
    requests: [
      ['GET h/v2', { version: 'two' }, 0],
      ['GET h/v2', { color: 'orange', shape: 'round' }, 0],
      ['GET h/v2', { color: 'orange' }, -1],
      ['GET h/v2', {}, -1],
      ['GET h/', { version: 'two' }, -1],
    ],
  },
  'a request falls back to a shorter prefix when the conditions of the longer do not hold': {
    rules: [{ prefix: '/a' }, { prefix: '/a/b', headers: ['x=1'] }, { exact: '/a/b/c', method: 'PUT' }],
    requests: [
      ['GET h/a/b/c', {}, 0],
      ['GET h/a/b/c', { x: '1' }, 1],
      ['PUT h/a/b/c', { x: '1' }, 2],
    ],
  },
  'methods and header values are compared as they are, and of equal header names only the first counts': {
    rules: [{ method: 'get' }, { headers: ['a=One', 'a=Two'] }],
    requests: [
      ['GET h/', { a: 'one' }, -1],
      ['get h/', {}, 0],
      ['GET h/', { a: 'One' }, 1],
      ['GET h/', { a: 'Two' }, -1],
      ['GET h/', { a: 'One, Two' }, -1],
    ],
  },
  'an absent header fulfils no condition, not even a pattern of anything': {
    rules: [{ headers: ['a~.*'] }],
    requests: [
      ['GET h/', {}, -1],
      ['GET h/', { a: '' }, 0],
      ['GET h/', { a: 'x' }, 0],
    ],
  },
  'patterns cover whole values': {
    rules: [{ headers: ['v~[0-9]+'] }, { queries: ['q~a|b'] }, { regex: '/u/[a-z]+' }],
    requests: [
      ['GET h/', { v: '17' }, 0],
      ['GET h/', { v: 'v17' }, -1],
      ['GET h/', { v: '17 ' }, -1],
      ['GET h/?q=b', {}, 1],
      ['GET h/?q=ab', {}, -1],
      ['GET h/u/ab', {}, 2],
      ['GET h/u/ab/c', {}, -1],
      ['GET h/x/u/ab', {}, -1],
    ],
  },
  'a path pattern stands below an exact path and above every prefix, the longer pattern first': {
    rules: [
      { prefix: '/api/v1/items' },
      { regex: '/api/.*' },
      { exact: '/api/v1/items/7' },
      { regex: '/api/v[0-9]+/.*' },
      { regex: '.*/7' },
    ],
    requests: [
      ['GET h/api/v1/items/7', {}, 2],
      ['GET h/api/v1/items/8', {}, 3],
      ['GET h/api/x', {}, 1],
      ['GET h/api', {}, -1],
      ['GET h/other/7', {}, 4],
    ],
  },
  'patterns of equal length are told apart by their conditions, then by order': {
    rules: [{ regex: '/a/.*' }, { regex: '/.*/b', headers: ['x=1'] }, { regex: '/.*/b' }],
    requests: [
      ['GET h/a/b', {}, 0],
      ['GET h/a/b', { x: '1' }, 1],
      ['GET h/c/b', {}, 2],
    ],
  },
  'the first of repeated query parameters counts, decoded; names are compared as they are': {
    rules: [{ queries: ['animal=whale'] }, { queries: ['animal=blue whale'] }, { queries: ['a b=1'] }],
    requests: [
      ['GET h/?animal=whale', {}, 0],
      ['GET h/?x=1&animal=whale&y', {}, 0],
      ['GET h/?animal=whale&animal=dolphin', {}, 0],
      ['GET h/?animal=dolphin&animal=whale', {}, -1],
      ['GET h/?animal=blue%20whale', {}, 1],
      ['GET h/?animal=blue+whale', {}, 1],
      ['GET h/?a%20b=1', {}, 2],
      ['GET h/?ANIMAL=whale', {}, -1],
      ['GET h/?animals=whale', {}, -1],
      ['GET h/?animal', {}, -1],
      ['GET h/', {}, -1],
    ],
  },
  'an exact host stands above a wildcard, the longer wildcard above the shorter, and they all above none': {
    rules: [
      { host: [], matches: [{}] },
      { host: ['*.example'], matches: [{}] },
      { host: ['*.shop.example'], matches: [{}] },
      { host: ['a.shop.example', 'Other.Example'], matches: [{}] },
    ],
    requests: [
      ['GET a.shop.example/', {}, 3],
      ['GET A.Shop.Example:8080/', {}, 3],
      ['GET a.shop.example./', {}, 3],
      ['GET other.example/', {}, 3],
      ['GET b.shop.example/', {}, 2],
      ['GET x.y.shop.example/', {}, 2],
      ['GET shop.example/', {}, 1],
      ['GET example/', {}, 0],
      ['GET notshop.example/', {}, 1],
      ['GET [::1]:80/', {}, 0],
      ['GET /', {}, 0],
    ],
  },
  'a host stands above a path, and a less specific host is asked when no rule of the better one matches': {
    rules: [
      { host: ['*.example'], matches: [{ exact: '/a' }] },
      { host: ['a.example'], matches: [{ prefix: '/a' }] },
      { host: [], matches: [{ exact: '/b' }] },
    ],
    requests: [
      ['GET a.example/a', {}, 1],
      ['GET b.example/a', {}, 0],
      ['GET a.example/b', {}, 2],
      ['GET a.example/c', {}, -1],
    ],
  },
};

for (const [name, { rules, requests }] of Object.entries(cases)) {
  test(name, () => {
    const table = compile(
      rules.map((words) => {
        if (Array.isArray(words)) return rule(words);
        return 'host' in words ? rule(words.matches, words.host) : rule([words]);
      }),
    );
    for (const [text, headers, expected] of requests) {
      assert.equal(table.find(request(text, headers))?.rule ?? -1, expected, `${text} ${JSON.stringify(headers)}`);
    }
  });
}

test('a target that is no path matches no prefix but the one that takes everything', () => {
  const table = compile([rule([{ prefix: '/a' }]), rule([{ regex: '.*', method: 'OPTIONS' }])]);
  const view = (method: string, path: string): RequestView => ({ ...request('GET h/'), method, path });
  assert.equal(table.find(view('GET', '*')), undefined);
  assert.equal(compile([rule([{ prefix: '/' }])]).find(view('CONNECT', '')), undefined);
  assert.equal(table.find(view('OPTIONS', '*'))?.rule, 1);
});

test('every bad pattern of every rule is told with the place of its field', () => {
  const compiled = compileMatchTable([
    rule([{ regex: '/a(' }, { headers: ['x~[', 'y~ok'] }]),
    rule([{ prefix: '/fine' }]),
    rule([{ queries: ['q=1', 'r~(?=a)b'] }]),
  ]);
  assert.ok(!compiled.ok);
  assert.deepEqual(
    compiled.error.map(({ path }) => path),
    ['matches[0].path.value', 'matches[1].headers[0].value', 'matches[0].queryParams[1].value'],
  );
  for (const { message } of compiled.error) assert.match(message, /parsing regexp/);
});

test('a pattern built to explode in a backtracking engine ends in time linear to the value', () => {
  const table = compile([rule([{ regex: '/(a+)+b' }, { regex: '/(a|a)*b' }, { regex: '/(.*)*x' }])]);
  const view = { ...request('GET h/'), path: `/${'a'.repeat(8000)}` };
  assert.equal(table.find(view), undefined);
});

test('ten thousand routes are looked up in at most twice the steps of one, in the worst case of each shape', () => {
  const segment = (index: number): string => `s${index.toString(36)}`;
  const shapes: Record<string, { rule: (index: number) => RouteRule; view: (index: number) => RequestView }> = {
    'exact paths': {
      rule: (index) => rule([{ exact: `/shop/${segment(index)}/detail` }]),
      view: (index) => request(`GET h/shop/${segment(index)}/detail`),
    },
    prefixes: {
      rule: (index) => rule([{ prefix: `/shop/${segment(index)}/detail` }]),
      view: (index) => request(`GET h/shop/${segment(index)}/detail/7/8/9`),
    },
    hosts: {
      rule: (index) => rule([{ prefix: '/' }], [`${segment(index)}.example`]),
      view: (index) => request(`GET ${segment(index)}.example/a/b`),
    },
    wildcards: {
      rule: (index) => rule([{ prefix: '/' }], [`*.${segment(index)}.example`]),
      view: (index) => request(`GET x.${segment(index)}.example/a/b`),
    },
    headers: {
      rule: (index) => rule([{ prefix: '/', headers: [`tenant=${segment(index)}`] }]),
      view: (index) => request('GET h/a', { tenant: segment(index) }),
    },
    'headers and methods': {
      rule: (index) => rule([{ prefix: '/p', method: `M${index}`, headers: [`a=${index % 100}`, `b=${index}`] }]),
      view: (index) => request(`M${index} h/p`, { a: String(index % 100), b: String(index) }),
    },
    queries: {
      rule: (index) => rule([{ exact: '/search', queries: [`q=${segment(index)}`] }]),
      view: (index) => request(`GET h/search?q=${segment(index)}`),
    },
    'gRPC services': {
      rule: (index) =>
        rule([{ grpc: { type: 'Exact', service: `shop.${segment(index).padStart(6, '_')}`, method: '' } }]),
      view: (index) => request(`POST h/shop.${segment(index).padStart(6, '_')}/Get`),
    },
    'gRPC methods': {
      rule: (index) => rule([{ grpc: { type: 'Exact', service: `shop.${segment(index)}`, method: 'Get' } }]),
      view: (index) => request(`POST h/shop.${segment(index)}/Get`),
    },
    patterns: {
      rule: (index) => rule([{ regex: `/shop/${segment(index).padStart(6, '_')}/[0-9]+` }]),
      view: (index) => request(`GET h/shop/${segment(index).padStart(6, '_')}/17`),
    },
  };
  for (const [name, shape] of Object.entries(shapes)) {
    const one = compile([shape.rule(0)]);
    assert.equal(one.find(shape.view(0))?.rule, 0, name);
    const many = compile(Array.from({ length: 10_000 }, (_, index) => shape.rule(index)));
    let worst = 0;
    for (let index = 0; index < 10_000; index += 37) {
      assert.equal(many.find(shape.view(index))?.rule, index, name);
      worst = Math.max(worst, many.steps);
    }
    assert.ok(worst <= 2 * one.steps, `${name}: ${worst} steps against ${one.steps}`);
  }
});

test('a path of four thousand segments costs no more probes than the deepest prefix has segments', () => {
  const table = compile([rule([{ prefix: '/a/b/c' }]), rule([{ prefix: '/' }])]);
  assert.equal(table.find(request(`GET h${'/a'.repeat(4000)}`))?.rule, 1);
  assert.ok(table.steps <= 4, String(table.steps));
});

test('compiling in steps yields once a rule at least, and gives the same table', () => {
  const rules = Array.from({ length: 500 }, (_, index) => rule([{ prefix: `/${index}` }]));
  const steps = compileMatchTableInSteps(rules);
  let yields = 0;
  let step = steps.next();
  for (; step.done !== true; step = steps.next()) yields += 1;
  assert.ok(yields >= 1000);
  assert.ok(step.value.ok);
  assert.equal(step.value.value.find(request('GET h/499/x'))?.rule, 499);
});

/** The standard, read literally: every match of every rule is tried, the best of those that hold is kept. */
function naive(rules: readonly RouteRule[], view: RequestView): { rule: number; match: number } | undefined {
  let best: { key: (number | string)[]; rule: number; match: number } | undefined;
  const host = view.authority.replace(/:[0-9]+$/, '').toLowerCase();
  for (const [ruleIndex, rule] of rules.entries()) {
    for (const [matchIndex, match] of rule.matches.entries()) {
      for (const hostname of rule.hostnames.length === 0 ? ['*'] : rule.hostnames) {
        const wild = hostname.startsWith('*');
        if (wild ? !(hostname === '*' || host.endsWith(hostname.slice(1))) : host !== hostname) continue;
        if (wild && hostname !== '*' && host.length <= hostname.length - 1) continue;
        const { type, value } = match.path;
        const segments = (text: string): string[] => text.replace(/\/+$/, '').split('/');
        const wanted = segments(value);
        const whole = new RegExp(`^(?:${value})$`);
        const holds =
          type === 'Exact'
            ? view.path === value
            : type === 'RegularExpression'
              ? whole.test(view.path)
              : wanted.every((segment, index) => view.path.split('/')[index] === segment);
        const grpc = match.grpc === null ? [] : grpcKey(match.grpc, view.path);
        if (!holds || grpc === undefined || (match.method !== '' && match.method !== view.method)) continue;
        const query = new URLSearchParams(view.query);
        const fits = (wanted: ValueMatch, actual: string | null | undefined): boolean =>
          actual !== null &&
          actual !== undefined &&
          (wanted.type === 'Exact' ? wanted.value === actual : new RegExp(`^(?:${wanted.value})$`).test(actual));
        if (!match.headers.every((header) => fits(header, view.valueOf(header.name)))) continue;
        if (!match.queries.every((parameter) => fits(parameter, query.get(parameter.name)))) continue;
        const key = [
          hostname === '*' ? 0 : wild ? 1 : 2,
          hostname === '*' ? 0 : hostname.length,
          ...grpc,
          type === 'Exact' ? 2 : type === 'RegularExpression' ? 1 : 0,
          type === 'PathPrefix' ? value.replace(/\/+$/, '').length : value.length,
          match.method === '' ? 0 : 1,
          match.headers.length,
          match.queries.length,
          -ruleIndex,
          -matchIndex,
        ];
        if (best === undefined || isAbove(key, best.key)) best = { key, rule: ruleIndex, match: matchIndex };
      }
    }
  }
  return best === undefined ? undefined : { rule: best.rule, match: best.match };
}

/** Precedence of a gRPC match that holds: names above patterns above none, longer above shorter; service first. */
function grpcKey({ type, service, method }: GrpcMethodMatch, path: string): number[] | undefined {
  const parts = /^\/([^/]+)\/([^/]+)$/.exec(path);
  if (parts === null) return undefined;
  const fits = (wanted: string, actual: string): boolean =>
    wanted === '' || (type === 'Exact' ? wanted === actual : new RegExp(`^(?:${wanted})$`).test(actual));
  if (!fits(service, parts[1]!) || !fits(method, parts[2]!)) return undefined;
  return [service, method].flatMap((part) => [part === '' ? 0 : type === 'Exact' ? 2 : 1, part.length]);
}

function isAbove(a: (number | string)[], b: (number | string)[]): boolean {
  for (const [index, value] of a.entries()) {
    if (value !== b[index]) return value > b[index]!;
  }
  return false;
}

test('the table finds what trying every rule finds, for thousands of random rules and requests', () => {
  const seed = 1;
  let compared = 0;
  let matched = 0;
  for (let round = 0; round < 400; round += 1) {
    const random = seededRandom(seed * 1000 + round);
    const words = new Words(random);
    const rules = Array.from({ length: 1 + words.below(round % 10 === 0 ? 120 : 14) }, () => words.rule());
    const table = compile(rules);
    for (let turn = 0; turn < 25; turn += 1) {
      const view = words.request();
      const expected = naive(rules, view);
      const found = table.find(view);
      compared += 1;
      if (found !== undefined) matched += 1;
      assert.deepEqual(
        found === undefined ? undefined : { rule: found.rule, match: found.match },
        expected,
        `seed ${seed}, round ${round}: ${view.method} ${view.authority}${view.path}?${view.query}`,
      );
    }
  }
  assert.equal(compared, 10_000);
  assert.ok(matched > 3000 && matched < 9900, `${matched} of ${compared} matched`);
});

test('requests of one authority that differ in path alone find the same entry where their paths have the same place', () => {
  let shared = 0;
  let untold = 0;
  for (let round = 0; round < 400; round += 1) {
    const words = new Words(seededRandom(5_000 + round));
    const table = compile(Array.from({ length: 1 + words.below(14) }, () => words.rule()));
    const first = words.request();
    const paths = table.pathsOf(first.authority);
    const found = new Map<object, number>();
    for (let turn = 0; turn < 40; turn += 1) {
      const { path } = words.request();
      const place = paths?.placeOf(path) ?? null;
      if (place === null) {
        untold += 1;
        continue;
      }
      const order = table.find({ ...first, path })?.order ?? -1;
      if (found.has(place)) shared += 1;
      else found.set(place, order);
      assert.equal(order, found.get(place), `round ${round}: ${first.authority}${path}`);
    }
  }
  assert.ok(shared > 1_000 && untold > 1_000, `${shared} shared a place, ${untold} had none`);
});

test('the table finds what the precedence of GRPCRoute asks for, for thousands of random rules and requests', () => {
  let matched = 0;
  for (let round = 0; round < 300; round += 1) {
    const random = seededRandom(9_000 + round);
    const words = new Words(random);
    const rules = Array.from({ length: 1 + words.below(round % 10 === 0 ? 80 : 10) }, () => words.grpcRule());
    const table = compile(rules);
    for (let turn = 0; turn < 20; turn += 1) {
      const view = words.grpcRequest();
      const expected = naive(rules, view);
      const found = table.find(view);
      if (found !== undefined) matched += 1;
      const actual = found === undefined ? undefined : { rule: found.rule, match: found.match };
      assert.deepEqual(actual, expected, `round ${round}: ${view.authority}${view.path}`);
      assert.equal(explain(table, view).winner, found);
    }
  }
  assert.ok(matched > 1500 && matched < 5900, `${matched} of 6000 matched`);
});

test('a gRPC match names the place of a bad pattern, and takes no path of another shape', () => {
  const bad = compileMatchTable([rule([{ grpc: { type: 'RegularExpression', service: 'a', method: '(' } }])]);
  assert.ok(!bad.ok);
  assert.deepEqual(
    bad.error.map(({ path }) => path),
    ['matches[0].method.method'],
  );
  const table = compile([
    rule([
      { grpc: { type: 'Exact', service: 'a.B', method: '' } },
      { grpc: { type: 'Exact', service: '', method: 'Get' } },
      { grpc: { type: 'RegularExpression', service: 'x.*', method: '' } },
    ]),
  ]);
  const paths = ['/a.B', '/a.B/', '/a.B/Get/more', '/more/a.B/Get', '//Get', '/Get', '/x', '/xy/', '*', '/A.b/Put'];
  for (const path of paths) assert.equal(table.find({ ...request('POST h/'), path }), undefined, path);
  for (const path of ['/a.B/x', '/c/Get', '/xyz/Put']) {
    assert.ok(table.find({ ...request('POST h/'), path }) !== undefined, path);
  }
});

/** Draws from few words, so that rules meet and requests hit. */
class Words {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  below(count: number): number {
    return Math.floor(this.#random() * count);
  }

  #of<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }

  #some(most: number, make: () => string): string[] {
    const made = new Map<string, string>();
    for (let count = this.below(most + 1); count > 0; count -= 1) {
      const text = make();
      made.set(text.slice(0, 1), text);
    }
    return [...made.values()];
  }

  #path(): string {
    return Array.from({ length: this.below(4) }, () => `/${this.#of(['a', 'b', 'ab', 'c'])}`).join('');
  }

  #match(): MatchWords {
    const path = this.#path();
    const kind = this.below(10);
    const value = (): string => `${this.#of(['x', 'y', 'z'])}${this.#of(['=1', '=2', '~[0-9]', '~1|2', '=3', '=4'])}`;
    return {
      ...(kind < 2
        ? { exact: path === '' ? '/' : path }
        : kind < 4
          ? { regex: path + this.#of(['/.*', '.*', '/[ab]+', '(/c)?', '/a|/b', 'b?', '/a+', '\\/b', '']) }
          : { prefix: path === '' ? '/' : path + this.#of(['', '/']) }),
      method: this.#of(['', '', 'GET', 'POST']),
      headers: this.below(2) === 0 ? [] : this.#some(2, value),
      queries: this.below(3) === 0 ? this.#some(2, value) : [],
    };
  }

  rule(): RouteRule {
    const hosts = this.below(3) === 0 ? this.#hosts() : [];
    return rule(
      Array.from({ length: 1 + this.below(3) }, () => this.#match()),
      hosts,
    );
  }

  grpcRule(): RouteRule {
    const matches = Array.from({ length: 1 + this.below(3) }, (): MatchWords => {
      const headers = this.below(3) === 0 ? [this.#of(['x=1', 'x~[0-9]', 'y=2'])] : [];
      if (this.below(8) === 0) return { headers };
      const regex = this.below(3) === 0;
      const service = this.#of(regex ? ['', 's.*', '.*', 's[.]A|t'] : ['', 's.A', 's.AB', 't']);
      const method = this.#of(regex ? ['', 'G.*', '.*t', 'P.t'] : ['', 'Get', 'Put']);
      if (service === '' && method === '') return { headers };
      return { headers, grpc: { type: regex ? 'RegularExpression' : 'Exact', service, method } };
    });
    return rule(matches, this.below(3) === 0 ? this.#hosts() : []);
  }

  grpcRequest(): RequestView {
    const headers: Record<string, string> = {};
    for (const name of ['x', 'y']) if (this.below(2) === 0) headers[name] = this.#of(['1', '2', 'no']);
    const host = this.#of(['h', 'example', 'a.example', 'b.a.example']);
    const path = this.#of(['/s.A/Get', '/s.A/Put', '/s.AB/Get', '/t/Put', '/t/Gut', '/u/Get', '/s.A', '/s.A/Get/x']);
    return request(`POST ${host}${path}`, headers);
  }

  #hosts(): string[] {
    const all = ['*.example', '*.a.example', 'a.example', 'b.a.example', 'example', '*.b.a.example'];
    return all.filter(() => this.below(3) === 0);
  }

  request(): RequestView {
    const headers: Record<string, string> = {};
    for (const name of ['x', 'y', 'z']) if (this.below(3) > 0) headers[name] = this.#of(['1', '2', '3', '4', 'no']);
    const query = Array.from(
      { length: this.below(3) },
      () => `${this.#of(['x', 'y', 'z'])}=${this.#of(['1', '2', '3', '%31', '+'])}`,
    ).join('&');
    const host = this.#of(['h', 'example', 'a.example', 'b.a.example', 'c.b.a.example', 'x.example:81', 'B.A.example']);
    const path = this.#path() + this.#of(['', '', '/', '/cb', '/b/a']);
    return request(
      `${this.#of(['GET', 'POST', 'PUT'])} ${host}${path === '' ? '/' : path}${query === '' ? '' : `?${query}`}`,
      headers,
    );
  }
}

test('a head as the codec leaves it is looked up without another object between', () => {
  const table = compile([
    rule([{}]),
    rule([{ prefix: '/orders', headers: ['x-tenant=a, b'], queries: ['page=2'] }], ['shop.example']),
  ]);
  const found: (number | undefined)[] = [];
  const sink: MessageSink = {
    onHead: (head) => found.push(table.find(head)?.rule),
    onData: () => assert.fail('there is no body'),
    onTrailers: () => assert.fail('there are no trailers'),
    onEnd: () => {},
    onTermination: (code, detail) => assert.fail(`${code} ${detail}`),
  };
  for (const target of ['/orders/7?page=2', '/orders/7', 'http://shop.example:8080/orders?x&page=2']) {
    const text = `GET ${target} HTTP/1.1\r\nHost: Shop.Example:8080\r\nX-Tenant: a\r\nx-tenant: b\r\n\r\n`;
    const bytes = Buffer.from(text, 'latin1');
    new Http1RequestReader(http1Defaults, sink).feed(bytes, 0, bytes.length);
  }
  assert.deepEqual(found, [1, 0, 1]);
});
