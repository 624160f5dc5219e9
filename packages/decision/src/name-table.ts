import type { ApplicationProtocol, DestinationKey, NameIndex, VisiblePort } from '@weft/model';
import { hostOf } from '@weft/routing';

/** The domain of a cluster's names unless the environment says otherwise. */
export const defaultClusterDomain = 'cluster.local';

/** Keys are made once: a request looks them up, and a string that was hashed before is found without hashing it again. */
interface NamedService {
  readonly ports: readonly VisiblePort[];
  /** The key of the destination, by position of its port. */
  readonly keys: readonly DestinationKey[];
}

/**
 * The names and virtual addresses a workload may call. Immutable.
 *
 * Accepted forms, in any case and with or without a trailing dot: `orders` (in the caller's own namespace), `orders.shop`,
 * `orders.shop.svc`, `orders.shop.svc.<cluster domain>`, and a virtual address.
 */
export class NameTable {
  readonly #namespaces: ReadonlyMap<string, ReadonlyMap<string, NamedService>>;
  readonly #addresses: ReadonlyMap<string, NamedService>;
  /** Of the ports that do not speak HTTP/1.1. */
  readonly #protocols: ReadonlyMap<DestinationKey, ApplicationProtocol>;
  readonly #domain: string;

  constructor(indexes: Iterable<NameIndex>, clusterDomain: string = defaultClusterDomain) {
    const namespaces = new Map<string, Map<string, NamedService>>();
    const addresses = new Map<string, NamedService>();
    const protocols = new Map<DestinationKey, ApplicationProtocol>();
    for (const index of indexes) {
      const services = new Map<string, NamedService>();
      for (const { service, ports, addresses: own } of index.services) {
        const named: NamedService = { ports, keys: ports.map(({ port }) => `${index.name}/${service}:${port}`) };
        services.set(service, named);
        for (const [at, { protocol }] of ports.entries()) {
          if (protocol !== 'Http1') protocols.set(named.keys[at]!, protocol);
        }
        for (const address of own) addresses.set(address.toLowerCase(), named);
      }
      namespaces.set(index.name, services);
    }
    this.#namespaces = namespaces;
    this.#addresses = addresses;
    this.#protocols = protocols;
    this.#domain = clusterDomain.toLowerCase();
  }

  /**
   * The destination a host and port mean for a caller; empty when the host is no visible service or has no such port. A port
   * inside `host` is not read.
   */
  resolve(host: string, port: number, callerNamespace: string): DestinationKey | '' {
    const service = this.#find(hostOf(host), callerNamespace);
    if (service === undefined) return '';
    const { ports, keys } = service;
    for (let index = 0; index < ports.length; index += 1) if (ports[index]!.port === port) return keys[index]!;
    return '';
  }

  /** What a destination speaks, as far as it is declared or learned. */
  protocolOf(key: DestinationKey): ApplicationProtocol {
    return this.#protocols.get(key) ?? 'Http1';
  }

  /** The ports of the service a host means, to say what could have been meant; empty when it is none. */
  portsOf(host: string, callerNamespace: string): readonly VisiblePort[] {
    return this.#find(hostOf(host), callerNamespace)?.ports ?? [];
  }

  /**
   * Whether a host can only be meant for the mesh, known or not: it is never sent outside. True for every visible name, for
   * names below the cluster domain or ending in `.svc`, for `name.namespace` of a visible namespace, and for a single label
   * that is no address and not `localhost`, since no public host has one.
   */
  isMeshName(host: string): boolean {
    const name = hostOf(host);
    if (this.#addresses.has(unbracketed(name))) return true;
    if (name === '' || name === 'localhost' || name.startsWith('[')) return false;
    if (name.endsWith('.svc') || name.endsWith(`.svc.${this.#domain}`)) return true;
    const dot = name.indexOf('.');
    if (dot < 0) return !/^[0-9]+$/.test(name);
    return this.#namespaces.has(name.slice(dot + 1));
  }

  /** All destinations that may be called, in the order they were given. */
  *destinations(): Generator<DestinationKey> {
    for (const services of this.#namespaces.values()) {
      for (const { keys } of services.values()) yield* keys;
    }
  }

  #find(host: string, callerNamespace: string): NamedService | undefined {
    const dot = host.indexOf('.');
    if (dot < 0) return this.#service(callerNamespace, host) ?? this.#addresses.get(unbracketed(host));
    const rest = host.slice(dot + 1);
    const end = rest.indexOf('.');
    const namespace = end < 0 ? rest : rest.slice(0, end);
    const suffix = end < 0 ? '' : rest.slice(end + 1);
    if (suffix === '' || suffix === 'svc' || suffix === `svc.${this.#domain}`) {
      const service = this.#service(namespace, host.slice(0, dot));
      if (service !== undefined) return service;
    }
    return this.#addresses.get(unbracketed(host));
  }

  #service(namespace: string, name: string): NamedService | undefined {
    return this.#namespaces.get(namespace)?.get(name);
  }
}

function unbracketed(host: string): string {
  return host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
}
