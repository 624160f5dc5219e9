import type { RouteTable } from '@weft/decision';
import type { Model } from '@weft/model';
import type { RouteEntry } from '@weft/routing';
import type { Caller } from '../caller-view.ts';
import { type RuleAction, actionOf, ruleName } from '../rule-action.ts';
import type { LoggedRequest } from './log-line.ts';
import { type KnownConditions, LoggedView, learn, possibleEntries } from './possible-entries.ts';
import { type Place, Side } from './replay-side.ts';
import type { Verdict, VerdictKind } from './verdict.ts';

export interface ReplayOptions {
  readonly next: Model;
  /** What was in force; null: the rule that each line names is compared by its name. */
  readonly against: Model | null;
  /** `namespace/name` of the Gateway whose log it is, where there are several; else empty. */
  readonly gateway: string;
}

/** Both configurations as one caller has them. */
export interface Sides {
  readonly next: Side;
  readonly old: Side | null;
}

/** Decides requests as a log tells them by two configurations. All requests of one outcome have one verdict. */
export class RequestJudge {
  /** The most frequent one, at hand. */
  readonly same: Verdict;
  readonly #options: ReplayOptions;
  readonly #verdicts = new Map<string, Verdict>();
  readonly #callers = new Map<string, Sides>();
  readonly #view = new LoggedView();

  constructor(options: ReplayOptions) {
    this.#options = options;
    this.same = this.#verdict('same', '', '', '');
  }

  /** All that were given. */
  verdicts(): Verdict[] {
    return [...this.#verdicts.values()];
  }

  unreadable(): Verdict {
    return this.#verdict('unreadable', '', '', '');
  }

  decide(line: LoggedRequest): Verdict {
    if (line.protocol === 'tcp') return this.#verdict('connection', '', '', '');
    if (line.direction !== 'outbound') return this.#verdict('arrived', '', '', '');
    const caller = this.callerOf(line);
    const example = `${line.method} ${line.authority}${line.path}`;
    if (typeof caller === 'string') return this.#verdict('undecidable', caller, '', example);
    const view = this.#view;
    view.take(line.method, line.path, line.authority);
    const logged = loggedRule(line);
    const { old, next } = this.sidesOf(caller);
    if (old === null) return this.#compareByName(line, next, logged, example);
    const before = old.find(line.authority);
    const after = next.find(line.authority);
    if (staysAsItIs(before, after)) return this.same;
    if (before.routes === undefined || after.routes === undefined) {
      const known = before.routes === undefined ? before.said : logged === '' ? before.said : logged;
      return this.#verdict('elsewhere', known, after.said, example);
    }
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
    if (was.treatment === is.treatment) return this.same;
    return this.#verdict('otherwise', textOf(was), textOf(is), example);
  }

  /** Without the old configuration: whether a rule of the same name would take it. */
  #compareByName(line: LoggedRequest, next: Side, logged: string, example: string): Verdict {
    const found = next.find(line.authority);
    const from = logged === '' ? `refused (${line.termination})` : logged;
    if (found.routes === undefined) {
      const same = logged === '' ? found.said === from : found.outside && line.destination.startsWith('outside:');
      return same ? this.same : this.#verdict('elsewhere', from, found.said, example);
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
    if (first === NO_RULE && line.termination === 'no-route') return this.same;
    return first.rule === logged ? this.same : this.#verdict('elsewhere', from, textOf(first), example);
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

  /** Who called; the text is what is missing to tell. */
  callerOf({ source }: LoggedRequest): Caller | string {
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

  sidesOf(caller: Caller): Sides {
    const key = `${caller.namespace} ${caller.gateway}`;
    let sides = this.#callers.get(key);
    if (sides === undefined) {
      const { next, against } = this.#options;
      sides = { next: new Side(next, caller), old: against === null ? null : new Side(against, caller) };
      this.#callers.set(key, sides);
    }
    return sides;
  }

  #verdict(kind: VerdictKind, from: string, to: string, example: string): Verdict {
    const key = `${kind}\n${from}\n${to}`;
    let verdict = this.#verdicts.get(key);
    if (verdict === undefined) this.#verdicts.set(key, (verdict = { kind, from, to, example, count: 0 }));
    return verdict;
  }
}

/** The rule that a line names; empty when it names none. */
export function loggedRule({ route, rule }: LoggedRequest): string {
  return route === '' ? '' : ruleName({ route, rule });
}

/** Whether requests go where they went, whatever they are. */
export function staysAsItIs(before: Place, after: Place): boolean {
  if (before.routes === undefined || after.routes === undefined) return before.said === after.said;
  return before.hash === after.hash;
}

const EMPTY: KnownConditions = new Map();
/** Endings that say that the rules, or the lack of them, decided. */
const refusedByRules = new Set(['no-route', 'unknown-host', 'egress-refused', 'no-config', 'misdirected']);

const NO_RULE: RuleAction = { route: 'no-route', treatment: '', rule: 'no rule', target: '404', source: null };

function textOf({ rule, target }: RuleAction): string {
  return `${rule} -> ${target}`;
}
