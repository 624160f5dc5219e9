/** Status as Kubernetes objects carry it. */
import type { Condition, ListenerStatus, ParentReference, ParentStatus } from '@weft/model';

/** What is to stand in an object's status; which of it depends on the kind. */
export interface DesiredStatus {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly conditions: readonly Condition[];
  /** `status.parents` of routes, `status.ancestors` of policies. */
  readonly parents: readonly ParentStatus[];
  readonly listeners: readonly ListenerStatus[];
  /** How far proxies have come; undefined for what no proxy gets. */
  readonly programmed: Condition | undefined;
}

export interface WrittenCondition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration: number;
  readonly lastTransitionTime: string;
}

type Fields = Readonly<Record<string, unknown>>;

const MAX_MESSAGE = 32_768;
const ROUTES = new Set(['HTTPRoute', 'GRPCRoute', 'TCPRoute', 'TLSRoute']);
const controllerPrefix = 'weft.dev/';

/**
 * The whole status to write, with what other controllers wrote left as it stands; undefined when `current` says it all
 * already, or when the kind is not ours to write.
 */
export function mergeStatus(desired: DesiredStatus, current: unknown, now: string): Fields | undefined {
  const before = fieldsOf(current);
  const next = nextStatus(desired, before, now);
  return next === undefined || isSame(before, next) ? undefined : next;
}

/** Whether this kind is Weft's own: written by server-side apply. */
export function isOwnKind(group: string): boolean {
  return group === 'weft.dev';
}

function nextStatus(desired: DesiredStatus, before: Fields, now: string): Fields | undefined {
  const { kind, conditions, parents, listeners, programmed } = desired;
  if (ROUTES.has(kind)) {
    const known = listOf(before['parents']);
    const others = known.filter(({ controllerName }) => !isOurs(controllerName));
    const marked = programmed === undefined ? [] : [{ ...programmed, type: 'weft.dev/Programmed' }];
    const own = parents.map(({ parent, controllerName, conditions: each }) => {
      const parentRef = referenceOf(parent);
      const match = known.find(
        (entry) => entry['controllerName'] === controllerName && isSame(entry['parentRef'], parentRef),
      );
      return {
        parentRef,
        controllerName,
        conditions: writeConditions([...each, ...marked], match?.['conditions'], now),
      };
    });
    if (own.length === 0 && others.length === known.length) return undefined;
    return { ...before, parents: [...others, ...own] };
  }
  if (kind === 'Gateway') {
    if (conditions.length === 0) return undefined;
    const known = listOf(before['listeners']);
    return {
      ...before,
      conditions: mergeConditions(
        [...conditions, ...(programmed === undefined ? [] : [programmed])],
        before['conditions'],
        now,
      ),
      listeners: listeners.map(({ name, attachedRoutes, conditions: each }) => {
        const match = known.find((entry) => entry['name'] === name);
        return {
          name,
          attachedRoutes,
          supportedKinds: supportedKinds(each),
          conditions: mergeConditions(each, match?.['conditions'], now),
        };
      }),
    };
  }
  if (kind === 'GatewayClass') {
    if (conditions.length === 0) return undefined;
    return { ...before, conditions: mergeConditions(conditions, before['conditions'], now) };
  }
  const all = [...(conditions.length > 0 ? conditions : [summaryOf(parents)].filter((each) => each !== undefined))];
  if (programmed !== undefined) all.push(programmed);
  if (all.length === 0) return undefined;
  const known = listOf(before['ancestors']);
  const ancestors = parents.slice(0, 16).map(({ parent, controllerName, conditions: each }) => {
    const ancestorRef = referenceOf(parent);
    const match = known.find((entry) => isSame(entry['ancestorRef'], ancestorRef));
    return { ancestorRef, controllerName, conditions: writeConditions(each, match?.['conditions'], now) };
  });
  return {
    conditions: writeConditions(all, before['conditions'], now),
    ...(ancestors.length === 0 ? {} : { ancestors }),
  };
}

/** A policy with several targets says in one place whether it holds at all of them. */
function summaryOf(parents: readonly ParentStatus[]): Condition | undefined {
  const accepted = parents.flatMap(({ conditions }) => conditions.filter(({ type }) => type === 'Accepted'));
  return accepted.find(({ status }) => status !== 'True') ?? accepted[0];
}

/** A listener that speaks TLS or is refused takes no routes. */
function supportedKinds(conditions: readonly Condition[]): Fields[] {
  const isAccepted = conditions.some(({ type, status }) => type === 'Accepted' && status === 'True');
  const group = 'gateway.networking.k8s.io';
  return isAccepted
    ? [
        { group, kind: 'HTTPRoute' },
        { group, kind: 'GRPCRoute' },
      ]
    : [];
}

/** Ours replace those of the same type; conditions of types that we don't know stay. */
function mergeConditions(conditions: readonly TypedCondition[], before: unknown, now: string): unknown[] {
  const own = writeConditions(conditions, before, now);
  const types = new Set(own.map(({ type }) => type));
  return [...listOf(before).filter(({ type }) => typeof type === 'string' && !types.has(type)), ...own];
}

type TypedCondition = Omit<Condition, 'type'> & { readonly type: string };

function writeConditions(conditions: readonly TypedCondition[], before: unknown, now: string): WrittenCondition[] {
  const known = listOf(before);
  return conditions.map(({ type, status, reason, message, observedGeneration }) => {
    const match = known.find((each) => each['type'] === type);
    const since = match?.['lastTransitionTime'];
    return {
      type,
      status,
      reason,
      message: message.slice(0, MAX_MESSAGE),
      observedGeneration,
      lastTransitionTime: match?.['status'] === status && typeof since === 'string' ? since : now,
    };
  });
}

function referenceOf({ group, kind, namespace, name, sectionName, port }: ParentReference): Fields {
  return {
    group,
    kind,
    ...(namespace === '' ? {} : { namespace }),
    name,
    ...(sectionName === '' ? {} : { sectionName }),
    ...(port === 0 ? {} : { port }),
  };
}

function isOurs(controllerName: unknown): boolean {
  return typeof controllerName === 'string' && controllerName.startsWith(controllerPrefix);
}

/** Equal whatever the order of keys. */
function isSame(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return false;
  if (Array.isArray(left) !== Array.isArray(right)) return false;
  const names = Object.keys(left);
  if (names.length !== Object.keys(right).length) return false;
  return names.every((name) => isSame((left as Fields)[name], (right as Fields)[name]));
}

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

function listOf(value: unknown): Fields[] {
  return Array.isArray(value) ? value.map(fieldsOf) : [];
}
