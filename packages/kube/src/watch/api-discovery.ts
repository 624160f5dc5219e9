import { type Result, fail, ok } from '@weft/kernel';
import type { KubeClient } from '../client/kube-client.ts';
import type { KubeFault } from '../client/kube-fault.ts';

/** A kind as one server serves it. */
export interface ServedKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
}

/** A kind that may be served or not, in one of several versions; the first that is served is taken. */
export interface WantedKind {
  readonly group: string;
  readonly kind: string;
  readonly versions: readonly string[];
}

const AGGREGATED =
  'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,' +
  'application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList';

/** Which of the wanted kinds of named groups a server has, by `group/kind`. One request, whatever is installed. */
export async function discover(
  client: KubeClient,
  wanted: readonly WantedKind[],
): Promise<Result<ReadonlyMap<string, ServedKind>, KubeFault>> {
  const got = await client.get('/apis', AGGREGATED);
  if (!got.ok) return got;
  const served = readDiscovery(got.value);
  if (served === undefined) {
    return fail({
      code: 'failed',
      status: 200,
      message: 'the API server has no aggregated discovery',
      causes: [],
      retryAfterMs: 0,
    });
  }
  const found = new Map<string, ServedKind>();
  for (const { group, kind, versions } of wanted) {
    for (const version of versions) {
      const match = served.find((each) => each.group === group && each.kind === kind && each.version === version);
      if (match === undefined) continue;
      found.set(`${group}/${kind}`, match);
      break;
    }
  }
  return ok(found);
}

interface Discovered {
  readonly kind?: string;
  readonly items?: readonly {
    readonly metadata?: { readonly name?: string };
    readonly versions?: readonly {
      readonly version?: string;
      readonly freshness?: string;
      readonly resources?: readonly {
        readonly resource?: string;
        readonly scope?: string;
        readonly responseKind?: { readonly kind?: string };
      }[];
    }[];
  }[];
}

/** Undefined when the answer is no aggregated discovery. */
function readDiscovery(body: unknown): ServedKind[] | undefined {
  const { kind, items } = body as Discovered;
  if (kind !== 'APIGroupDiscoveryList' || !Array.isArray(items)) return undefined;
  const served: ServedKind[] = [];
  for (const { metadata, versions } of items as NonNullable<Discovered['items']>) {
    for (const { version = '', resources } of versions ?? []) {
      for (const { resource = '', scope, responseKind } of resources ?? []) {
        served.push({
          group: metadata?.name ?? '',
          version,
          kind: responseKind?.kind ?? '',
          plural: resource,
          namespaced: scope === 'Namespaced',
        });
      }
    }
  }
  return served;
}

/** Where all objects of a kind are listed. */
export function collectionPath({ group, version, plural }: ServedKind): string {
  return `${group === '' ? '/api' : `/apis/${group}`}/${version}/${plural}`;
}

/** Where one object is. */
export function objectPath(kind: ServedKind, namespace: string, name: string): string {
  const base = `${kind.group === '' ? '/api' : `/apis/${kind.group}`}/${kind.version}`;
  const place = kind.namespaced ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  return `${base}${place}/${kind.plural}/${encodeURIComponent(name)}`;
}
