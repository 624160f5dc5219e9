import {
  type Change,
  type ChangeEffect,
  Model,
  type ResourceKey,
  addressNamespace,
  readDestination,
  resolveGatewayListeners,
  resolveResource,
  visibleNamespaces,
} from '@weft/model';
import { type VersionedResource, type View, versionResource } from '@weft/wire';

/** Whom a view is made for. */
export interface Audience {
  readonly namespace: string;
  /** Key of the workload it serves in the model; empty for none. May change while the view is in use. */
  readonly workload: string;
  /** `namespace/name` of the Gateway it serves; empty for none. */
  readonly gateway: string;
}

/** One resource as callers of one namespace see it. Stale: to be resolved anew when it is next asked for. */
interface Slot {
  version: VersionedResource;
  stale: boolean;
}

/**
 * The model as resources: each resolved and encoded once, when somebody first asks for it after a change, and shared by
 * all who see it alike. A version whose hash did not change stays the same object, so a change that changes nothing ends
 * here. What nobody has asked for since its last change but one is let go.
 */
export class ResourceIndex {
  readonly model: Model;
  private readonly slots: Map<ResourceKey, Map<string, Slot>>;
  private readonly namespaces: Map<string, readonly string[]>;
  private readonly listeners: Map<string, readonly ResourceKey[]>;
  private encodings: number;

  constructor() {
    this.model = new Model();
    this.slots = new Map();
    this.namespaces = new Map();
    this.listeners = new Map();
    this.encodings = 0;
  }

  /** Resources resolved and encoded since the start. */
  get encodedTotal(): number {
    return this.encodings;
  }

  /** Applies changes; the resources returned may differ from now on. */
  apply(changes: readonly Change[]): ChangeEffect {
    const effect = this.model.applyChanges(changes);
    this.namespaces.clear();
    this.listeners.clear();
    for (const key of effect.resources) {
      const slots = this.slots.get(key);
      if (slots === undefined) continue;
      for (const [namespace, slot] of slots) {
        if (slot.stale) slots.delete(namespace);
        else slot.stale = true;
      }
      if (slots.size === 0) this.slots.delete(key);
    }
    return effect;
  }

  /** What an audience may see. Reads `audience` whenever it is asked. */
  view(audience: Audience): View {
    return {
      roots: () => this.roots(audience),
      lookup: (key) => (this.mayHold(audience, key) ? this.version(key, audience.namespace) : undefined),
    };
  }

  /** The newest version as callers of a namespace see it. */
  version(key: ResourceKey, callerNamespace: string): VersionedResource | undefined {
    // Only a consumer's own policies make two callers see a destination differently.
    const sharedBy = key.startsWith('routes:') || key.startsWith('backend:') ? callerNamespace : '';
    const slots = this.slots.get(key);
    const known = slots?.get(sharedBy);
    if (known !== undefined && !known.stale) return known.version;
    const resource = resolveResource(this.model, key, callerNamespace);
    if (resource === undefined) {
      slots?.delete(sharedBy);
      if (slots?.size === 0) this.slots.delete(key);
      return undefined;
    }
    this.encodings += 1;
    const version = this.shared(versionResource(resource), slots);
    if (known !== undefined) {
      known.version = version;
      known.stale = false;
    } else if (slots !== undefined) {
      slots.set(sharedBy, { version, stale: false });
    } else {
      this.slots.set(key, new Map([[sharedBy, { version, stale: false }]]));
    }
    return version;
  }

  /** The object that stands for this content already, if there is one. */
  private shared(made: VersionedResource, slots: ReadonlyMap<string, Slot> | undefined): VersionedResource {
    for (const { version } of slots?.values() ?? []) if (version.hash === made.hash) return version;
    return made;
  }

  private roots(audience: Audience): readonly ResourceKey[] {
    const roots: ResourceKey[] = ['mesh:default'];
    for (const namespace of this.visible(audience.namespace)) roots.push(`names:${namespace}`);
    if (audience.workload !== '') roots.push(`inbound:${audience.workload}`);
    if (audience.gateway !== '') roots.push(...this.listenersOf(audience.gateway));
    return roots;
  }

  /** Backends and endpoints are reached by routes that the audience sees, and by nothing else. */
  private mayHold(audience: Audience, key: ResourceKey): boolean {
    if (key.startsWith('routes:')) {
      const destination = readDestination(key.slice('routes:'.length));
      if (destination === undefined) return false;
      // Whose an address is, is told by the handshake with it too.
      if (destination.namespace === addressNamespace) return true;
      return this.visible(audience.namespace).includes(destination.namespace);
    }
    if (key.startsWith('names:')) return this.visible(audience.namespace).includes(key.slice('names:'.length));
    if (key.startsWith('inbound:')) return key.slice('inbound:'.length) === audience.workload;
    if (key.startsWith('listener:')) return key.startsWith(`listener:${audience.gateway}/`);
    return true;
  }

  private visible(namespace: string): readonly string[] {
    let visible = this.namespaces.get(namespace);
    if (visible === undefined) {
      visible = visibleNamespaces(this.model, namespace);
      this.namespaces.set(namespace, visible);
    }
    return visible;
  }

  private listenersOf(gateway: string): readonly ResourceKey[] {
    let keys = this.listeners.get(gateway);
    if (keys === undefined) {
      keys = resolveGatewayListeners(this.model, gateway).map(({ name }): ResourceKey => `listener:${name}`);
      this.listeners.set(gateway, keys);
    }
    return keys;
  }
}
