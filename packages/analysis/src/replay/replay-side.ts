import type { RouteTable, Tables } from '@weft/decision';
import { readAuthority } from '@weft/http';
import { bracketedHost } from '@weft/kernel';
import { type Model, type Resource, canonicalBytes, hash64 } from '@weft/model';
import { type Caller, callerResources, compileView } from '../caller-view.ts';

/** Names outside the mesh are the callers' to make up: beyond this many it is looked again. */
const MOST_REMEMBERED = 100_000;

/** What one configuration does with an authority. */
export interface Place {
  readonly routes: RouteTable | undefined;
  /** Of the rules: equal where they are. */
  readonly hash: string;
  /** What happens where there are no rules. */
  readonly said: string;
  readonly outside: boolean;
}

/** One configuration as one caller has it. */
export class Side {
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
    if (this.#tables.names.isMeshName(bracketedHost(parts.host))) {
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
