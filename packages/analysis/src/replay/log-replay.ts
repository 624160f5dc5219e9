import { Buffer } from 'node:buffer';
import type { RouteTable, Tables } from '@weft/decision';
import { readAuthority } from '@weft/http';
import { type Model, type Resource, canonicalBytes, hash64 } from '@weft/model';
import type { RouteEntry } from '@weft/routing';
import { type Caller, callerResources, compileView } from '../caller-view.ts';
import { type RuleAction, actionOf } from '../rule-action.ts';
import { LineSpans, type LoggedRequest, readLine } from './log-line.ts';
import { type KnownConditions, LoggedView, learn, possibleEntries } from './possible-entries.ts';

export type VerdictKind = 'same' | 'elsewhere' | 'otherwise' | 'undecidable' | 'arrived' | 'connection' | 'unreadable';

/** What became of some lines, and why. Counted up while a log is read. */
export interface Verdict {
  /**
   * `same`: nothing changes. `elsewhere`: routed elsewhere. `otherwise`: to the same place with other time-outs, retries or
   * edits. `arrived`: the line of the receiver, whose caller has one of its own. `connection`: no request.
   */
  readonly kind: VerdictKind;
  /** The rule and what it does; of undecidable lines what is missing. */
  readonly from: string;
  readonly to: string;
  /** The first such request. */
  readonly example: string;
  count: number;
}

export interface ReplayReport {
  readonly lines: number;
  /** Of requests that a caller's proxy or a Gateway routed. */
  readonly requests: number;
  readonly counts: Readonly<Record<VerdictKind, number>>;
  /** All that is not `same`, the most frequent first. */
  readonly verdicts: readonly Verdict[];
}

export interface ReplayOptions {
  readonly next: Model;
  /** What was in force; null: the rule that each line names is compared by its name. */
  readonly against: Model | null;
  /** `namespace/name` of the Gateway whose log it is, where there are several; else empty. */
  readonly gateway: string;
}

/** Lines that are alike are decided once; beyond this many different ones it is forgotten which were. */
const MOST_REMEMBERED = 100_000;
/** Different requests after which it is judged whether remembering pays. */
const JUDGED_AFTER = 10_000;
const EMPTY: KnownConditions = new Map();

/**
 * Replays an access log against a configuration: each request is decided anew by the tables that decide for traffic. Feed
 * chunks in order, cut anywhere, then `finish`.
 */
export class LogReplay {
  readonly #options: ReplayOptions;
  /** By the later span of a line, then by the earlier one. */
  readonly #tails = new Map<string, Tail>();
  #remembers = true;
  #rememberedCount = 0;
  readonly #verdicts = new Map<string, Verdict>();
  readonly #sides = new Map<string, Side>();
  readonly #spans = new LineSpans();
  readonly #view = new LoggedView();
  #rest = '';
  #lines = 0;
  /** The most frequent one, at hand. */
  readonly #same: Verdict;

  constructor(options: ReplayOptions) {
    this.#options = options;
    this.#same = this.#verdict('same', '', '', '');
  }

  feed(chunk: string): void {
    const text = this.#rest + chunk;
    let start = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      if (end > start) this.#line(text, start, end);
      start = end + 1;
    }
    this.#rest = text.slice(start);
  }

  finish(): ReplayReport {
    if (this.#rest.trim() !== '') this.#line(this.#rest, 0, this.#rest.length);
    this.#rest = '';
    const counts: Record<VerdictKind, number> = {
      same: 0,
      elsewhere: 0,
      otherwise: 0,
      undecidable: 0,
      arrived: 0,
      connection: 0,
      unreadable: 0,
    };
    for (const { kind, count } of this.#verdicts.values()) counts[kind] += count;
    const verdicts = [...this.#verdicts.values()].filter(({ kind }) => kind !== 'same');
    return {
      lines: this.#lines,
      requests: counts.same + counts.elsewhere + counts.otherwise + counts.undecidable,
      counts,
      verdicts: verdicts.sort((a, b) => b.count - a.count),
    };
  }

  #line(text: string, start: number, end: number): void {
    this.#lines += 1;
    const spans = this.#spans;
    if (!spans.find(text, start, end)) {
      const line = readLine(text.slice(start, end));
      (line === undefined ? this.#verdict('unreadable', '', '', '') : this.#decide(line)).count += 1;
      return;
    }
    const tail = this.#tailOf(text.slice(spans.tailStart, spans.tailEnd));
    const { byHead } = tail;
    const head = this.#remembers ? text.slice(spans.headStart, spans.headEnd) : '';
    let verdict = this.#remembers ? byHead.get(head) : undefined;
    if (verdict === undefined) {
      verdict = this.#decide({
        ...tail.line,
        direction: spans.outbound ? 'outbound' : 'inbound',
        protocol: spans.tcp ? 'tcp' : 'http',
        method: text.slice(spans.methodStart, spans.methodEnd),
        authority: text.slice(spans.authorityStart, spans.authorityEnd),
        path: text.slice(spans.pathStart, spans.headEnd),
      });
      if (this.#remembers) this.#remember(byHead, head, verdict);
    }
    verdict.count += 1;
  }

  /** What the end of a line says is said again by many: parsed once. */
  #tailOf(slice: string): Tail {
    let tail = this.#tails.get(slice);
    if (tail === undefined) {
      const line = readLine(`{"direction":"-","protocol":"-",${slice}"}`);
      tail = { line: line ?? NO_LINE, byHead: new Map() };
      if (this.#tails.size >= MOST_REMEMBERED) this.#tails.clear();
      this.#tails.set(copyOf(slice), tail);
    }
    return tail;
  }

  /** Gives up on a log in which hardly a request comes twice: remembering would cost more than deciding. */
  #remember(byHead: Map<string, Verdict>, head: string, verdict: Verdict): void {
    this.#rememberedCount += 1;
    if (this.#rememberedCount < MOST_REMEMBERED) byHead.set(copyOf(head), verdict);
    else {
      this.#tails.clear();
      this.#rememberedCount = 0;
    }
    if (this.#rememberedCount === JUDGED_AFTER) this.#remembers = this.#lines > 2 * JUDGED_AFTER;
    if (!this.#remembers) this.#tails.clear();
  }

  #decide(line: LoggedRequest): Verdict {
    if (line.protocol === 'tcp') return this.#verdict('connection', '', '', '');
    if (line.direction !== 'outbound') return this.#verdict('arrived', '', '', '');
    const caller = this.#callerOf(line);
    const example = `${line.method} ${line.authority}${line.path}`;
    if (typeof caller === 'string') return this.#verdict('undecidable', caller, '', example);
    const view = this.#view;
    view.take(line.method, line.path, line.authority);
    const logged = line.route === '' ? '' : `${line.route} rule ${line.rule}`;
    const next = this.#side('next', this.#options.next, caller);
    const { against } = this.#options;
    if (against === null) return this.#compareByName(line, next, logged, example);
    const old = this.#side('old', against, caller);
    const before = old.find(line.authority);
    const after = next.find(line.authority);
    if (before.routes === undefined || after.routes === undefined) {
      if (before.said === after.said) return this.#same;
      const known = before.routes === undefined ? before.said : logged === '' ? before.said : logged;
      return this.#verdict('elsewhere', known, after.said, example);
    }
    if (before.hash === after.hash) return this.#same;
    const first = this.#winners(before.routes, EMPTY);
    const learned = logged === '' ? undefined : learn(before.routes, first.entries, view, logged);
    const from =
      learned === undefined
        ? first.actions
        : first.actions.filter((action) => action === NO_RULE || action.rule === logged);
    const to = this.#winners(after.routes, learned ?? EMPTY);
    return this.#compare(from, to.actions, view.missing, example);
  }

  /** Undecidable unless whatever may have won goes the same way on both sides. */
  #compare(from: readonly RuleAction[], to: readonly RuleAction[], missing: string, example: string): Verdict {
    const [was] = from;
    const [is] = to;
    if (was === undefined || is === undefined) return this.#verdict('undecidable', missing, '', example);
    const sameWay = (list: readonly RuleAction[]): boolean => list.every(({ route }) => route === list[0]!.route);
    if (!sameWay(from) || !sameWay(to)) return this.#verdict('undecidable', missing, '', example);
    if (was.route !== is.route) return this.#verdict('elsewhere', textOf(was), textOf(is), example);
    const sameCare = (list: readonly RuleAction[]): boolean =>
      list.every(({ treatment }) => treatment === list[0]!.treatment);
    if (!sameCare(from) || !sameCare(to)) return this.#verdict('undecidable', missing, '', example);
    if (was.treatment === is.treatment) return this.#same;
    return this.#verdict('otherwise', textOf(was), textOf(is), example);
  }

  /** Without the old configuration: whether a rule of the same name would take it. */
  #compareByName(line: LoggedRequest, next: Side, logged: string, example: string): Verdict {
    const found = next.find(line.authority);
    const from = logged === '' ? `refused (${line.termination})` : logged;
    if (found.routes === undefined) {
      const same = logged === '' ? found.said === from : found.outside && line.destination.startsWith('outside:');
      return same ? this.#same : this.#verdict('elsewhere', from, found.said, example);
    }
    if (logged === '' && !refusedByRules.has(line.termination)) {
      return this.#verdict(
        'undecidable',
        `a rule: it ended as ${line.termination} before one was looked for`,
        '',
        example,
      );
    }
    const { actions } = this.#winners(found.routes, EMPTY);
    const [first] = actions;
    if (first === undefined || actions.some(({ rule }) => rule !== first.rule)) {
      return this.#verdict('undecidable', this.#view.missing, '', example);
    }
    if (first === NO_RULE && line.termination === 'no-route') return this.#same;
    return first.rule === logged ? this.#same : this.#verdict('elsewhere', from, textOf(first), example);
  }

  /** What may win: one by the table itself where it asked for nothing that a log has not. */
  #winners(routes: RouteTable, known: KnownConditions): { entries: RouteEntry[]; actions: RuleAction[] } {
    const view = this.#view;
    view.missing = '';
    // A preflight is looked up by what it announces in headers.
    if (routes.cors && view.method === 'OPTIONS') view.missing = 'header access-control-request-method';
    const winner = routes.match.find(view);
    if (view.missing === '') {
      return winner === undefined
        ? { entries: [], actions: [NO_RULE] }
        : { entries: [winner], actions: [actionOf(routes, winner)] };
    }
    if (routes.cors && view.method === 'OPTIONS') return { entries: [], actions: [] };
    const { entries, certain } = possibleEntries(routes, view, known);
    const actions = entries.map((entry) => actionOf(routes, entry));
    if (!certain) actions.push(NO_RULE);
    return { entries, actions };
  }

  #callerOf({ source }: LoggedRequest): Caller | string {
    if (source !== 'unknown' && source !== '') {
      const namespace = /^spiffe:\/\/[^/]+\/ns\/([^/]+)\//.exec(source)?.[1] ?? source.slice(0, source.indexOf('/'));
      return namespace === '' ? 'who called' : { namespace, gateway: '' };
    }
    const gateway = this.#options.gateway === '' ? this.#onlyGateway() : this.#options.gateway;
    if (gateway === '') return 'which Gateway it came to (see --gateway)';
    return { namespace: gateway.slice(0, gateway.indexOf('/')), gateway };
  }

  #onlyGateway(): string {
    const names: string[] = [];
    for (const { kind, metadata } of this.#options.next.objects()) {
      if (kind === 'Gateway') names.push(`${metadata.namespace}/${metadata.name}`);
    }
    return names.length === 1 ? names[0]! : '';
  }

  #side(which: string, model: Model, caller: Caller): Side {
    const key = `${which} ${caller.namespace} ${caller.gateway}`;
    let side = this.#sides.get(key);
    if (side === undefined) this.#sides.set(key, (side = new Side(model, caller)));
    return side;
  }

  #verdict(kind: VerdictKind, from: string, to: string, example: string): Verdict {
    const key = `${kind}\n${from}\n${to}`;
    let verdict = this.#verdicts.get(key);
    if (verdict === undefined) this.#verdicts.set(key, (verdict = { kind, from, to, example, count: 0 }));
    return verdict;
  }
}

interface Tail {
  readonly line: LoggedRequest;
  readonly byHead: Map<string, Verdict>;
}

const NO_LINE: LoggedRequest = {
  direction: '',
  protocol: '',
  method: '',
  authority: '',
  path: '',
  source: '',
  destination: '',
  route: '',
  rule: '',
  termination: '',
};

/** Endings that say that the rules, or the lack of them, decided. */
const refusedByRules = new Set(['no-route', 'unknown-host', 'egress-refused', 'no-config', 'misdirected']);

const NO_RULE: RuleAction = { route: 'no-route', treatment: '', rule: 'no rule', target: '404', source: null };

function textOf({ rule, target }: RuleAction): string {
  return `${rule} -> ${target}`;
}

interface Place {
  readonly routes: RouteTable | undefined;
  /** Of the rules: equal where they are. */
  readonly hash: string;
  /** What happens where there are no rules. */
  readonly said: string;
  readonly outside: boolean;
}

/** One configuration as one caller has it. */
class Side {
  readonly #tables: Tables;
  readonly #caller: Caller;
  readonly #places = new Map<string, Place>();
  readonly #hashes = new Map<RouteTable, string>();

  constructor(model: Model, caller: Caller) {
    this.#caller = caller;
    this.#tables = compileView(callerResources(model, caller), caller).tables;
  }

  find(authority: string): Place {
    let place = this.#places.get(authority);
    if (place === undefined) {
      place = this.#look(authority);
      // Names outside the mesh are the callers' to make up.
      if (this.#places.size < MOST_REMEMBERED) this.#places.set(authority, place);
    }
    return place;
  }

  #look(authority: string): Place {
    const none = (said: string, outside = false): Place => ({ routes: undefined, hash: '', said, outside });
    const parts = readAuthority(authority);
    const port = parts === undefined || parts.port < 0 ? 80 : parts.port;
    if (this.#caller.gateway !== '') {
      const secure = [...this.#tables.listeners()].find((each) => each.resource.protocol === 'Https');
      const at = parts?.port === -1 && this.#tables.listenerFor(80, authority) === undefined ? secure?.port : port;
      const listener = this.#tables.listenerFor(at ?? port, authority);
      return listener === undefined ? none('refused (no-route)') : this.#placeOf(listener.routes, listener.resource);
    }
    if (parts === undefined) return none('refused (unknown-host)');
    const key = this.#tables.names.resolve(parts.host, port, this.#caller.namespace);
    const held = key === '' ? undefined : this.#tables.destination(key);
    if (held !== undefined) return this.#placeOf(held.routes, this.#tables.held.get(`routes:${key}`)?.resource);
    if (this.#tables.names.isMeshName(parts.host.includes(':') ? `[${parts.host}]` : parts.host)) {
      return none('refused (unknown-host)');
    }
    return this.#tables.mesh.egress === 'AllowAny' ? none('outside the mesh', true) : none('refused (egress-refused)');
  }

  #placeOf(routes: RouteTable, resource: Resource | undefined): Place {
    let hash = this.#hashes.get(routes);
    if (hash === undefined) {
      hash = resource === undefined ? '' : hash64(canonicalBytes(resource));
      this.#hashes.set(routes, hash);
    }
    return { routes, hash, said: routes.name, outside: false };
  }
}

/** A slice keeps the chunk that it was cut from, a megabyte, for as long as it lives. */
function copyOf(slice: string): string {
  return Buffer.from(slice).toString();
}
