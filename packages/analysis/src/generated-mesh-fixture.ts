import { assert, type Random } from '@weft/kernel';
import { type ConfigObject, Model, readObject } from '@weft/model';
import { type AskedRequest, readAskedRequest } from './asked-request.ts';

/** Meshes and requests over so few words that rules overlap, shadow one another and are hit. For tests. */
const paths = ['/', '/a', '/a/b', '/a/b/c', '/ab', '/b'];
const patterns = ['/a.*', '/a/[bc].*', '.*', '/(a|b)'];
const names = ['x-one', 'x-two'];
const values = ['1', '2', '33'];
const valuePatterns = ['[0-9]', '3+', '.*'];
const methods = ['GET', 'POST', 'DELETE', 'OPTIONS'];
const hosts = ['shop.example', 'api.shop.example', 'other.example', '*.shop.example'];
export const serviceNames = ['one', 'two', 'three', 'four'];

export class Dice {
  readonly random: Random;

  constructor(random: Random) {
    this.random = random;
  }

  /** From 0 to `below`, which is left out. */
  number(below: number): number {
    return Math.floor(this.random() * below);
  }

  of<T>(list: readonly T[]): T {
    return list[this.number(list.length)]!;
  }

  some<T>(most: number, make: (index: number) => T): T[] {
    return Array.from({ length: this.number(most + 1) }, (_, index) => make(index));
  }

  oneIn(chances: number): boolean {
    return this.number(chances) === 0;
  }
}

/** Objects as files hold them: Services, a Gateway, routes of both, policies. */
export function generatedObjects(dice: Dice): unknown[] {
  const objects: unknown[] = serviceNames.map((name) => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'shop' },
    spec: { selector: { app: name }, ports: [{ name: 'http', port: 80, targetPort: 8080 }] },
  }));
  objects.push(
    {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'GatewayClass',
      metadata: { name: 'weft' },
      spec: { controllerName: 'weft.dev/gateway-controller' },
    },
    {
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'Gateway',
      metadata: { name: 'edge', namespace: 'shop' },
      spec: { gatewayClassName: 'weft', listeners: [{ name: 'http', port: 80, protocol: 'HTTP' }] },
    },
  );
  for (let index = 0; index < 1 + dice.number(3); index += 1) objects.push(generatedRoute(dice, `route-${index}`));
  if (dice.oneIn(3)) {
    objects.push({
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'GRPCRoute',
      metadata: { name: 'calls', namespace: 'shop' },
      spec: {
        parentRefs: [{ group: '', kind: 'Service', name: 'four' }],
        rules: Array.from({ length: 1 + dice.number(3) }, () => ({
          matches: dice.some(2, () => ({
            method: { service: dice.of(['a', 'b']), ...(dice.oneIn(2) ? { method: dice.of(['b', 'c']) } : {}) },
            ...headers(dice),
          })),
          backendRefs: backends(dice),
        })),
      },
    });
  }
  if (dice.oneIn(2)) {
    objects.push({
      apiVersion: 'weft.dev/v1alpha1',
      kind: 'TrafficPolicy',
      metadata: { name: 'slow', namespace: 'shop' },
      spec: {
        targetRefs: [{ group: '', kind: 'Service', name: dice.of(serviceNames) }],
        timeouts: { request: `${1 + dice.number(9)}s` },
      },
    });
  }
  for (const name of serviceNames.slice(0, dice.number(5))) {
    objects.push({
      apiVersion: 'weft.dev/v1alpha1',
      kind: 'WorkloadEntry',
      metadata: { name: `${name}-1`, namespace: 'shop', labels: { app: name } },
      spec: { address: '127.0.0.1', ports: [{ name: 'http', port: 8080 }] },
    });
  }
  return objects;
}

export function generatedRoute(dice: Dice, name: string): unknown {
  const atGateway = dice.oneIn(3);
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name, namespace: 'shop', creationTimestamp: `2026-01-0${1 + dice.number(9)}T00:00:00Z` },
    spec: {
      parentRefs: [atGateway ? { name: 'edge' } : { group: '', kind: 'Service', name: dice.of(serviceNames) }],
      ...(atGateway && dice.oneIn(2) ? { hostnames: [...new Set([dice.of(hosts), dice.of(hosts)])] } : {}),
      rules: Array.from({ length: 1 + dice.number(4) }, () => generatedRule(dice)),
    },
  };
}

function generatedRule(dice: Dice): unknown {
  const matches = dice.some(3, () => generatedMatch(dice));
  const rule = matches.length === 0 ? {} : { matches };
  if (dice.oneIn(7)) {
    const requestRedirect = { path: { type: 'ReplaceFullPath', replaceFullPath: '/elsewhere' }, statusCode: 301 };
    return { ...rule, filters: [{ type: 'RequestRedirect', requestRedirect }] };
  }
  const filters: unknown[] = [];
  if (dice.oneIn(3)) {
    filters.push({
      type: 'RequestHeaderModifier',
      requestHeaderModifier: { set: [{ name: 'x-set', value: dice.of(values) }], remove: ['x-two'] },
    });
  }
  if (dice.oneIn(4)) {
    const urlRewrite = { hostname: 'inside.example', path: { type: 'ReplaceFullPath', replaceFullPath: '/rewritten' } };
    filters.push({ type: 'URLRewrite', urlRewrite });
  }
  if (dice.oneIn(8)) {
    filters.push({ type: 'CORS', cors: { allowOrigins: ['https://page.example'], allowMethods: ['GET', 'DELETE'] } });
  }
  return { ...rule, ...(filters.length === 0 ? {} : { filters }), backendRefs: backends(dice) };
}

function generatedMatch(dice: Dice): unknown {
  const type = dice.of(['Exact', 'PathPrefix', 'RegularExpression']);
  const value = type === 'RegularExpression' ? dice.of(patterns) : dice.of(paths);
  return {
    ...(dice.oneIn(5) ? {} : { path: { type, value } }),
    ...(dice.oneIn(4) ? { method: dice.of(methods) } : {}),
    ...headers(dice),
    ...(dice.oneIn(5) ? { queryParams: [{ name: 'q', value: dice.of(values) }] } : {}),
  };
}

function headers(dice: Dice): object {
  const chosen = names.filter(() => dice.oneIn(4));
  if (chosen.length === 0) return {};
  return {
    headers: chosen.map((name) =>
      dice.oneIn(3)
        ? { type: 'RegularExpression', name, value: dice.of(valuePatterns) }
        : { name, value: dice.of(values) },
    ),
  };
}

function backends(dice: Dice): unknown[] {
  // A fifth name, which no Service has.
  return Array.from({ length: 1 + dice.number(3) }, () => ({
    name: dice.of([...serviceNames, ...serviceNames, 'nowhere']),
    port: 80,
    weight: dice.of([0, 1, 1, 1, 3]),
  }));
}

/** The objects as the control plane holds them; one that is refused is a fault of the generator. */
export function modelOf(objects: readonly unknown[]): Model {
  const accepted: ConfigObject[] = [];
  for (const raw of objects) {
    const { object, problems } = readObject(raw);
    assert(object !== undefined, `generated object refused: ${problems.map(({ message }) => message).join('; ')}`);
    accepted.push(object);
  }
  const model = new Model();
  model.applyChanges(accepted.map((object) => ({ type: 'Upsert', object })));
  return model;
}

/** A request to a Service, or to the Gateway. */
export function generatedRequest(dice: Dice, atGateway: boolean): AskedRequest {
  const host = atGateway ? dice.of(['shop.example', 'api.shop.example', 'other.example']) : dice.of(serviceNames);
  const query = dice.oneIn(3) ? `?q=${dice.of(values)}` : '';
  const fields = names.filter(() => dice.oneIn(2)).map((name) => `${name}: ${dice.of(values)}`);
  if (dice.oneIn(6)) fields.push('origin: https://page.example', 'access-control-request-method: DELETE');
  const path = dice.oneIn(6) ? dice.of(['/a/c', '/b/c', '/a/x/y']) : dice.of(paths);
  const asked = readAskedRequest(dice.of(methods), `http://${host}${path}${query}`, fields);
  assert(asked.ok, 'a generated request is one');
  return asked.value;
}
