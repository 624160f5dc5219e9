/** Names of the workloads, as their proxies report, that stand behind a service; empty: none that is known. */
export type WorkloadsBehind = (service: string) => ReadonlySet<string>;

/** Where services and workloads are drawn, so that what is called and who answers are one place. */
export interface ServicePlaces {
  ofService(service: string): string;
  ofWorkload(workload: string): string;
}

/**
 * Traffic names the service that was called, proxies the workload they stand beside: `orders-v1` and `orders`, or `orders` and
 * a Deployment `orders-api`. A service before one workload is drawn as that workload. Several workloads that one called
 * service has for itself are drawn as that service. All else keeps its name: a service that selects half a namespace joins nothing.
 */
export function placeServices(
  called: Iterable<string>,
  workloads: ReadonlySet<string>,
  behind: WorkloadsBehind,
): ServicePlaces {
  const services = new Map<string, string>();
  const groups = new Map<string, string>();
  /** Workloads that are a place of their own, or stand behind two services that could claim them. */
  const settled = new Set<string>();
  const wide: { readonly service: string; readonly members: readonly string[] }[] = [];
  for (const service of called) {
    const members = [...behind(service)].filter((workload) => workloads.has(workload));
    if (members.length === 1) {
      services.set(service, members[0]!);
      settled.add(members[0]!);
    } else if (members.length > 1 && !workloads.has(service)) wide.push({ service, members });
  }
  const claims = new Map<string, number>();
  for (const { members } of wide) for (const member of members) claims.set(member, (claims.get(member) ?? 0) + 1);
  for (const { service, members } of wide) {
    for (const member of members) {
      if (!settled.has(member) && claims.get(member) === 1) groups.set(member, service);
    }
  }
  return {
    ofService: (service) => services.get(service) ?? service,
    ofWorkload: (workload) => groups.get(workload) ?? workload,
  };
}
