import type { EdgeJson, SignalsJson } from '@weft/control';
import { bytes, milliseconds, rate, share } from '../format.ts';
import { routeHref, serviceHref } from '../route.ts';
import type { Column } from './table.tsx';
import { Badge, Value, failureTone } from './value.tsx';

const NO_TRAFFIC = 'nothing was carried in this window';
const NOT_MEASURED = 'no request ended in this window';

/** Rate, failures and latency, of whatever has them. */
export function signalColumns<R extends SignalsJson>(): Column<R>[] {
  return [
    {
      name: 'Requests',
      isNumber: true,
      by: ({ requestsPerS }) => requestsPerS,
      cell: ({ requestsPerS }) => <Value text={rate(requestsPerS)} why="no proxy of it has reported" />,
    },
    {
      name: 'Failed',
      isNumber: true,
      by: ({ failureShare }) => failureShare,
      cell: ({ failureShare }) => (
        <Value text={share(failureShare)} why={NO_TRAFFIC} tone={failureTone(failureShare)} />
      ),
    },
    {
      name: 'p50',
      isNumber: true,
      isMinor: true,
      by: ({ p50Ms }) => p50Ms,
      cell: ({ p50Ms }) => <Value text={milliseconds(p50Ms)} why={NOT_MEASURED} />,
    },
    {
      name: 'p99',
      isNumber: true,
      by: ({ p99Ms }) => p99Ms,
      cell: ({ p99Ms }) => <Value text={milliseconds(p99Ms)} why={NOT_MEASURED} />,
    },
    {
      name: 'Retries',
      isNumber: true,
      isMinor: true,
      by: ({ retriesPerS }) => retriesPerS,
      cell: ({ retriesPerS }) => <Value text={rate(retriesPerS)} why="no proxy of it has reported" />,
    },
  ];
}

export const securedColumn: Column<EdgeJson> = {
  name: 'mTLS',
  by: ({ securedShare }) => securedShare,
  cell: ({ securedShare }) => {
    if (securedShare === null) return <Value text="–" why="no request had a connection in this window" />;
    if (securedShare === 1) return <Badge tone="good">all</Badge>;
    return <Badge tone="bad">{securedShare === 0 ? 'none' : share(securedShare)}</Badge>;
  },
};

export const bytesColumns: readonly Column<EdgeJson>[] = [
  {
    name: 'In and out',
    isNumber: true,
    isMinor: true,
    by: ({ responseBytesPerS }) => responseBytesPerS,
    cell: ({ requestBytesPerS, responseBytesPerS }) =>
      requestBytesPerS === null ? (
        <Value text="–" why={NO_TRAFFIC} />
      ) : (
        `${bytes(requestBytesPerS)}/s, ${bytes(responseBytesPerS)}/s`
      ),
  },
];

/** A route by its object, where it has one. */
export function RouteName({ route }: { readonly route: string }) {
  const href = routeHref(route);
  if (href !== undefined) return <a href={href}>{route}</a>;
  return <span class="soft">{route === '' ? 'no route' : route}</span>;
}

/** A service that has a page (its port is none of its name), the account of an identity, or a name that leads nowhere. */
export function ServiceName({ id }: { readonly id: string }) {
  const account = /^spiffe:\/\/[^/]+\/ns\/([^/]+)\/sa\/([^/]+)$/.exec(id);
  if (account !== null) {
    return (
      <span title={id}>
        <span class="soft">{account[1]}/</span>
        {account[2]}
      </span>
    );
  }
  if (!id.includes('/') || id.includes('://')) {
    return <span class="soft">{id === 'unknown' ? 'unknown (no sidecar)' : id}</span>;
  }
  const slash = id.indexOf('/');
  return (
    <a href={serviceHref(id.replace(/:\d+$/, ''))} class="name">
      <span class="soft">{id.slice(0, slash + 1)}</span>
      {id.slice(slash + 1)}
    </a>
  );
}
