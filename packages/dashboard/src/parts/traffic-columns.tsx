import type { EdgeJson, SignalsJson } from '@weft/control';
import { bytes, milliseconds, rate, share } from '../format.ts';
import { serviceHref } from '../route.ts';
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
    if (securedShare === null) return <Value text="–" why={NO_TRAFFIC} />;
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

/** A service that has a page, or a name that leads nowhere. */
export function ServiceName({ id }: { readonly id: string }) {
  if (!id.includes('/')) return <span class="soft">{id === 'unknown' ? 'unknown (no sidecar)' : id}</span>;
  const [namespace, name] = [id.slice(0, id.indexOf('/')), id.slice(id.indexOf('/') + 1)];
  return (
    <a href={serviceHref(id)} class="name">
      <span class="soft">{namespace}/</span>
      {name}
    </a>
  );
}
