/**
 * An API server as far as a client of Kubernetes can tell, over real HTTP and with faults on command: objects of any kind in
 * memory, lists in pages, watches with bookmarks and streamed lists, conflicts, status apart from the rest.
 */
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { assert } from '@weft/kernel';

export interface ScriptedObject {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace?: string;
    uid?: string;
    resourceVersion?: string;
    generation?: number;
    [other: string]: unknown;
  };
  [other: string]: unknown;
}

/** A request as it came in: for tests that look at what was called. */
export interface ServedCall {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: unknown;
  readonly contentType: string;
}

interface Event {
  readonly version: number;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: ScriptedObject;
}

interface Watcher {
  readonly collection: string;
  readonly namespace: string;
  readonly name: string;
  readonly response: ServerResponse;
}

/** What to answer in place of what would be: a status, or nothing at all. */
export type Fault = { readonly status: number; readonly reason?: string } | 'reset' | 'hang';

interface KindScript {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
}

const PAGE_LIMIT = 500;

export class ScriptedApiServer {
  readonly calls: ServedCall[];
  /** False: `sendInitialEvents` is refused, as by a server without streamed lists. */
  streamsLists: boolean;
  /** Asked for each request; undefined lets it through. */
  fault: (call: ServedCall) => Fault | undefined;
  /** Answers a review (`TokenReview`, `SubjectAccessReview`): its `status`. */
  review: (object: ScriptedObject) => unknown;
  private readonly kinds: KindScript[];
  private readonly objects: Map<string, ScriptedObject>;
  private readonly watchers: Set<Watcher>;
  private readonly server: Server;
  private log: Event[];
  private oldest: number;
  private version: number;
  private silent: boolean;

  constructor() {
    this.calls = [];
    this.streamsLists = true;
    this.fault = () => undefined;
    this.review = () => ({});
    this.kinds = [];
    this.objects = new Map();
    this.watchers = new Set();
    this.log = [];
    this.oldest = 0;
    this.version = 100;
    this.silent = false;
    this.server = createServer((request, response) => void this.serve(request, response));
    for (const [plural, kind, namespaced] of [
      ['services', 'Service', true],
      ['pods', 'Pod', true],
      ['namespaces', 'Namespace', false],
      ['serviceaccounts', 'ServiceAccount', true],
      ['secrets', 'Secret', true],
      ['configmaps', 'ConfigMap', true],
    ] as const) {
      this.define({ group: '', version: 'v1', kind, plural, namespaced });
    }
    this.define({
      group: 'discovery.k8s.io',
      version: 'v1',
      kind: 'EndpointSlice',
      plural: 'endpointslices',
      namespaced: true,
    });
    this.define({ group: 'coordination.k8s.io', version: 'v1', kind: 'Lease', plural: 'leases', namespaced: true });
    this.define({ group: 'events.k8s.io', version: 'v1', kind: 'Event', plural: 'events', namespaced: true });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return this.url;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  get openWatches(): number {
    return this.watchers.size;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  define(kind: KindScript): void {
    this.undefine(kind.kind);
    this.kinds.push(kind);
  }

  /** The kind is no longer served; its objects go with it. */
  undefine(kind: string): void {
    const at = this.kinds.findIndex((each) => each.kind === kind);
    if (at < 0) return;
    for (const object of this.objects.values())
      if (object.kind === kind) this.remove(kind, object.metadata.namespace ?? '', object.metadata.name);
    this.kinds.splice(at, 1);
  }

  /** Makes or replaces an object, as somebody else would; watchers hear of it. */
  put(object: ScriptedObject): ScriptedObject {
    const { kind, metadata } = object;
    const key = keyOf(kind, metadata.namespace ?? '', metadata.name);
    const before = this.objects.get(key);
    this.version += 1;
    const isNewSpec = JSON.stringify(before?.['spec']) !== JSON.stringify(object['spec']);
    const stored: ScriptedObject = {
      ...object,
      metadata: {
        creationTimestamp: '2026-01-01T00:00:00Z',
        ...metadata,
        uid: before?.metadata.uid ?? metadata.uid ?? `uid-${this.version}`,
        generation: (before?.metadata.generation ?? 0) + (isNewSpec ? 1 : 0),
        resourceVersion: String(this.version),
        managedFields: [{ manager: 'test' }],
      },
    };
    this.objects.set(key, stored);
    this.emit({ version: this.version, type: before === undefined ? 'ADDED' : 'MODIFIED', object: stored });
    return stored;
  }

  remove(kind: string, namespace: string, name: string): void {
    const key = keyOf(kind, namespace, name);
    const object = this.objects.get(key);
    if (object === undefined) return;
    this.objects.delete(key);
    this.version += 1;
    const last = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.version) } };
    this.emit({ version: this.version, type: 'DELETED', object: last });
  }

  get(kind: string, namespace: string, name: string): ScriptedObject | undefined {
    return this.objects.get(keyOf(kind, namespace, name));
  }

  /** All that happened so far is forgotten: watches from older versions get 410. */
  compact(): void {
    this.log = [];
    this.oldest = this.version;
  }

  /** Sends a bookmark to all watchers. */
  bookmark(): void {
    if (this.silent) return;
    for (const { response, collection } of this.watchers) {
      const kind = this.kinds.find((each) => collectionOf(each) === collection);
      write(response, 'BOOKMARK', {
        apiVersion: 'v1',
        kind: kind?.kind ?? '',
        metadata: { name: '', resourceVersion: String(this.version) },
      });
    }
  }

  /** Ends all watches: in order, with a broken connection, or by an error event of this status. */
  endWatches(how: 'end' | 'reset' | number): void {
    for (const watcher of this.watchers) {
      const { response } = watcher;
      this.watchers.delete(watcher);
      if (how === 'reset') response.destroy();
      else {
        if (how !== 'end') {
          const object = {
            kind: 'Status',
            apiVersion: 'v1',
            metadata: {},
            code: how,
            reason: how === 410 ? 'Expired' : '',
            message: 'scripted',
          };
          response.write(`${JSON.stringify({ type: 'ERROR', object })}\n`);
        }
        response.end();
      }
    }
  }

  /** Events and bookmarks are swallowed though watches stay open: a path that broke without anybody noticing. */
  set isSilent(silent: boolean) {
    this.silent = silent;
  }

  private emit(event: Event): void {
    this.log.push(event);
    if (this.silent) return;
    const collection = collectionOf(this.kindOf(event.object.kind));
    for (const watcher of this.watchers) {
      if (watcher.collection === collection && matches(watcher, event.object)) {
        write(watcher.response, event.type, event.object);
      }
    }
  }

  private kindOf(kind: string): KindScript {
    const found = this.kinds.find((each) => each.kind === kind);
    assert(found !== undefined, `the scripted server has no kind ${kind}`);
    return found;
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://server');
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const text = Buffer.concat(parts).toString('utf8');
    const call: ServedCall = {
      method: request.method ?? '',
      path: url.pathname,
      query: url.searchParams,
      body: text === '' ? undefined : JSON.parse(text),
      contentType: request.headers['content-type'] ?? '',
    };
    this.calls.push(call);
    const fault = this.fault(call);
    if (fault === 'hang') return;
    if (fault === 'reset') {
      request.socket.destroy();
      return;
    }
    if (fault !== undefined) {
      answer(response, fault.status, statusOf(fault.status, fault.reason ?? '', 'scripted'));
      return;
    }
    this.dispatch(call, response);
  }

  private dispatch(call: ServedCall, response: ServerResponse): void {
    const { path, method, query } = call;
    if (path === '/version') return answer(response, 200, { gitVersion: 'v1.36.0', major: '1', minor: '36' });
    if (path === '/apis') return answer(response, 200, this.discovery());
    const place = this.locate(path);
    if (place === undefined) {
      const isReview = /Reviews?$|reviews$/.test(path);
      if (!isReview || method !== 'POST') return answer(response, 404, statusOf(404, 'NotFound', `no ${path}`));
      const object = call.body as ScriptedObject;
      return answer(response, 201, { ...object, status: this.review(object) });
    }
    const { kind, namespace, name, subresource } = place;
    if (name === '' && method === 'GET') {
      return query.get('watch') === 'true'
        ? this.watch(kind, namespace, query, response)
        : this.list(kind, namespace, query, response);
    }
    if (name === '') return this.create(kind, namespace, call, response);
    const found = this.objects.get(keyOf(kind.kind, namespace, name));
    if (method === 'GET') {
      return found === undefined
        ? answer(response, 404, statusOf(404, 'NotFound', `${name} not found`))
        : answer(response, 200, found);
    }
    if (method === 'DELETE') {
      this.remove(kind.kind, namespace, name);
      return answer(response, 200, { kind: 'Status', status: 'Success' });
    }
    this.change(found, kind, namespace, name, subresource, call, response);
  }

  private create(kind: KindScript, namespace: string, { body }: ServedCall, response: ServerResponse): void {
    const object = body as ScriptedObject;
    const name = object.metadata.name ?? `${String(object.metadata['generateName'] ?? '')}${this.version + 1}`;
    if (this.objects.has(keyOf(kind.kind, namespace, name))) {
      return answer(response, 409, statusOf(409, 'AlreadyExists', `${name} already exists`));
    }
    const scope = kind.namespaced ? { namespace } : {};
    answer(response, 201, this.put({ ...object, kind: kind.kind, metadata: { ...object.metadata, name, ...scope } }));
  }

  private change(
    found: ScriptedObject | undefined,
    kind: KindScript,
    namespace: string,
    name: string,
    subresource: string,
    { method, body, contentType }: ServedCall,
    response: ServerResponse,
  ): void {
    const given = body as ScriptedObject;
    if (found === undefined && contentType !== 'application/apply-patch+yaml') {
      return answer(response, 404, statusOf(404, 'NotFound', `${name} not found`));
    }
    const expected = given.metadata?.resourceVersion;
    if (expected !== undefined && expected !== found?.metadata.resourceVersion) {
      return answer(response, 409, statusOf(409, 'Conflict', 'the object has been modified'));
    }
    const base: ScriptedObject = found ?? {
      ...given,
      metadata: { ...given.metadata, name, ...(kind.namespaced ? { namespace } : {}) },
    };
    const next: ScriptedObject =
      subresource === 'status'
        ? { ...base, status: given['status'] }
        : method === 'PUT'
          ? { ...given, metadata: { ...base.metadata, ...given.metadata } }
          : { ...base, ...given, metadata: { ...base.metadata, ...given.metadata } };
    answer(response, 200, this.put({ ...next, kind: kind.kind }));
  }

  private list(kind: KindScript, namespace: string, query: URLSearchParams, response: ServerResponse): void {
    const all = this.select(kind, namespace, nameIn(query));
    const limit = Number(query.get('limit') ?? PAGE_LIMIT);
    const [from = 0, at = this.version] = (query.get('continue') ?? '')
      .split('.')
      .filter((part) => part !== '')
      .map(Number);
    if (query.has('continue') && at < this.oldest) {
      return answer(response, 410, statusOf(410, 'Expired', 'the continue token is too old'));
    }
    const next = from + limit < all.length ? `${from + limit}.${at}` : '';
    answer(response, 200, {
      kind: `${kind.kind}List`,
      apiVersion: kind.group === '' ? kind.version : `${kind.group}/${kind.version}`,
      metadata: { resourceVersion: String(at), ...(next === '' ? {} : { continue: next }) },
      items: all.slice(from, from + limit),
    });
  }

  private watch(kind: KindScript, namespace: string, query: URLSearchParams, response: ServerResponse): void {
    const streamed = query.get('sendInitialEvents') === 'true';
    if (streamed && !this.streamsLists) {
      return answer(response, 422, statusOf(422, 'Invalid', 'sendInitialEvents: Forbidden'));
    }
    response.writeHead(200, { 'content-type': 'application/json' });
    const watcher: Watcher = { collection: collectionOf(kind), namespace, name: nameIn(query), response };
    const from = Number(query.get('resourceVersion') ?? '0');
    if (streamed) {
      for (const object of this.select(kind, namespace, watcher.name)) write(response, 'ADDED', object);
      write(response, 'BOOKMARK', {
        apiVersion: 'v1',
        kind: kind.kind,
        metadata: {
          name: '',
          resourceVersion: String(this.version),
          annotations: { 'k8s.io/initial-events-end': 'true' },
        },
      });
    } else if (from < this.oldest) {
      const object = {
        kind: 'Status',
        apiVersion: 'v1',
        metadata: {},
        code: 410,
        reason: 'Expired',
        message: 'too old resource version',
      };
      response.end(`${JSON.stringify({ type: 'ERROR', object })}\n`);
      return;
    } else {
      for (const event of this.log) {
        if (event.version > from && event.object.kind === kind.kind && matches(watcher, event.object))
          write(response, event.type, event.object);
      }
    }
    response.flushHeaders();
    this.watchers.add(watcher);
    response.on('close', () => this.watchers.delete(watcher));
  }

  private select({ kind }: KindScript, namespace: string, name: string): ScriptedObject[] {
    return [...this.objects.values()]
      .filter((object) => object.kind === kind && matches({ namespace, name }, object))
      .sort((left, right) =>
        keyOf('', left.metadata.namespace ?? '', left.metadata.name) <
        keyOf('', right.metadata.namespace ?? '', right.metadata.name)
          ? -1
          : 1,
      );
  }

  private locate(path: string): { kind: KindScript; namespace: string; name: string; subresource: string } | undefined {
    const match =
      /^\/(?:api\/(v1)|apis\/([^/]+)\/([^/]+))(?:\/namespaces\/([^/]+)(?=\/[^/]+))?\/([^/]+)(?:\/([^/]+))?(?:\/([^/]+))?$/.exec(
        path,
      );
    if (match === null) return undefined;
    const [, core, group = '', version = core, namespace = '', plural, name = '', subresource = ''] = match;
    const kind = this.kinds.find((each) => each.group === group && each.version === version && each.plural === plural);
    return kind === undefined ? undefined : { kind, namespace, name: decodeURIComponent(name), subresource };
  }

  private discovery(): unknown {
    const groups = new Map<string, KindScript[]>();
    for (const kind of this.kinds)
      if (kind.group !== '') groups.set(kind.group, [...(groups.get(kind.group) ?? []), kind]);
    return {
      kind: 'APIGroupDiscoveryList',
      apiVersion: 'apidiscovery.k8s.io/v2',
      items: Array.from(groups, ([name, kinds]) => ({
        metadata: { name },
        versions: [...new Set(kinds.map(({ version }) => version))].map((version) => ({
          version,
          freshness: 'Current',
          resources: kinds
            .filter((each) => each.version === version)
            .map(({ plural, kind, namespaced }) => ({
              resource: plural,
              responseKind: { group: name, version, kind },
              scope: namespaced ? 'Namespaced' : 'Cluster',
            })),
        })),
      })),
    };
  }
}

function collectionOf({ group, version, plural }: KindScript): string {
  return `${group}/${version}/${plural}`;
}

function keyOf(kind: string, namespace: string, name: string): string {
  return `${kind}/${namespace}/${name}`;
}

function nameIn(query: URLSearchParams): string {
  return /^metadata\.name=(.+)$/.exec(query.get('fieldSelector') ?? '')?.[1] ?? '';
}

function matches({ namespace, name }: { namespace: string; name: string }, { metadata }: ScriptedObject): boolean {
  return (namespace === '' || metadata.namespace === namespace) && (name === '' || metadata.name === name);
}

function write(response: ServerResponse, type: string, object: unknown): void {
  response.write(`${JSON.stringify({ type, object })}\n`);
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

function statusOf(code: number, reason: string, message: string): unknown {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', code, reason, message };
}
