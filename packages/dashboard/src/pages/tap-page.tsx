import type { FaultJson, TapJson } from '@weft/control';
import type { TappedRequest } from '@weft/wire';
import { useEffect, useState } from 'preact/hooks';
import { openStream } from '../feed/event-stream.ts';
import { go } from '../feed/use-route.ts';
import { clock, milliseconds } from '../format.ts';
import { Panel } from '../parts/panel.tsx';
import { SilentReplicas } from '../parts/silent-replicas.tsx';
import { type Column, Table } from '../parts/table.tsx';
import { ServiceName } from '../parts/traffic-columns.tsx';
import { Badge } from '../parts/value.tsx';
import { type Route, requestHref, withQuery } from '../route.ts';

interface Tapped extends TappedRequest {
  readonly proxy: string;
  readonly key: number;
}

/** Rows kept; the tab stays small however long it taps. */
const MOST_ROWS = 300;
/** Rows come in bursts; the page is drawn a few times a second. */
const DRAW_MS = 250;

const FIELDS: readonly (readonly [name: string, label: string, hint: string])[] = [
  ['target', 'Service or proxy', 'all'],
  ['path', 'Path starts with', '/'],
  ['status', 'Status', '5xx'],
  ['method', 'Method', 'any'],
  ['slower', 'Slower than (ms)', '0'],
  ['rate', 'At most a second', '20'],
];

/** Live requests, filtered in the sidecars. */
export function TapPage({ query }: { readonly query: Route['query'] }) {
  const [isOn, setOn] = useState(false);
  const [rows, setRows] = useState<readonly Tapped[]>([]);
  const [dropped, setDropped] = useState(0);
  const [trouble, setTrouble] = useState('');
  const [replicas, setReplicas] = useState<TapJson['replicas']>([]);
  const asked = query.toString();

  useEffect(() => {
    if (!isOn) return undefined;
    setTrouble('');
    setReplicas([]);
    let waiting: Tapped[] = [];
    let missed = 0;
    let last = 0;
    const timer = window.setInterval(() => {
      if (waiting.length > 0) {
        const fresh = waiting.toReversed();
        waiting = [];
        setRows((old) => [...fresh, ...old].slice(0, MOST_ROWS));
      }
      if (missed > 0) setDropped((old) => old + missed);
      missed = 0;
    }, DRAW_MS);
    const close = openStream(`/api/v1/tap?${asked}`, {
      event: ({ event, data }) => {
        if (event === 'end') {
          const { error } = JSON.parse(data) as FaultJson;
          setTrouble(error === '' ? 'The tap has ended: it lasts 10 minutes.' : error);
          setOn(false);
          return;
        }
        const { proxy, requests, dropped: more, replicas: silent } = JSON.parse(data) as TapJson;
        if (silent.length > 0)
          setReplicas((old) => [
            ...old.filter(({ replica }) => !silent.some((one) => one.replica === replica)),
            ...silent,
          ]);
        missed += more;
        for (const request of requests) waiting.push({ ...request, proxy, key: (last += 1) });
        if (waiting.length > MOST_ROWS) missed += waiting.splice(0, waiting.length - MOST_ROWS).length;
      },
      closed: (reason) => {
        setTrouble(reason);
        setOn(false);
      },
    });
    return () => {
      close();
      window.clearInterval(timer);
    };
  }, [isOn, asked]);

  const set = (name: string, value: string): void => go(`/tap${withQuery(query.toString(), name, value.trim())}`, true);
  return (
    <>
      <header class="head">
        <h1>Tap</h1>
        <span class="soft">live requests; values of header fields stay in the sidecars</span>
      </header>
      <form
        class="filters"
        onSubmit={(event) => {
          event.preventDefault();
          setOn(!isOn);
        }}
      >
        {FIELDS.map(([name, label, hint]) => (
          <label key={name}>
            {label}
            <input
              name={name}
              placeholder={hint}
              value={query.get(name) ?? ''}
              onChange={({ currentTarget }) => set(name, currentTarget.value)}
            />
          </label>
        ))}
        <label>
          Seen by
          <select
            name="direction"
            value={query.get('direction') ?? ''}
            onChange={({ currentTarget }) => set('direction', currentTarget.value)}
          >
            <option value="">the one called</option>
            <option value="outbound">the caller</option>
            <option value="both">both</option>
          </select>
        </label>
        <button type="submit" class="primary" aria-pressed={isOn}>
          {isOn ? 'Stop' : 'Start'}
        </button>
        <button type="button" onClick={() => (setRows([]), setDropped(0))}>
          Clear
        </button>
      </form>
      {trouble === '' ? null : (
        <p class="trouble" role="alert">
          {trouble}
        </p>
      )}
      <SilentReplicas replicas={replicas} />
      <Panel
        title="Requests"
        wide
        note={`${rows.length === MOST_ROWS ? `the last ${MOST_ROWS}` : rows.length}${dropped > 0 ? `, ${dropped} more were not told: too many` : ''}`}
      >
        <Table
          caption="Tapped requests, newest first"
          columns={COLUMNS}
          rows={rows}
          rowKey={({ key }) => String(key)}
          most={MOST_ROWS}
          empty={isOn ? 'Waiting for requests that fit …' : 'Press Start to see requests as they end.'}
        />
      </Panel>
    </>
  );
}

const COLUMNS: readonly Column<Tapped>[] = [
  { name: 'Time', cell: ({ atMs }) => <span class="mono soft">{clock(atMs, true)}</span> },
  {
    name: 'Status',
    by: ({ status }) => status,
    cell: ({ status, termination }) => (
      <Badge tone={status === 0 || status >= 500 ? 'bad' : status >= 400 ? 'warn' : 'good'} title={termination}>
        {status === 0 ? termination : status}
      </Badge>
    ),
  },
  {
    name: 'Request',
    by: ({ path }) => path,
    cell: ({ method, authority, path, requestId, traceId }) => (
      <span class="mono clip">
        <a href={requestHref(traceId || requestId)} title={`${method} ${authority}${path}`}>
          {method} {path}
        </a>{' '}
        <span class="soft">{authority}</span>
      </span>
    ),
  },
  {
    name: 'From',
    isMinor: true,
    by: ({ source }) => source,
    cell: ({ source }) => <ServiceName id={source || 'unknown'} />,
  },
  {
    name: 'To',
    isMinor: true,
    by: ({ destination }) => destination,
    cell: ({ destination }) => <ServiceName id={destination} />,
  },
  {
    name: 'Took',
    isNumber: true,
    by: ({ durationMs }) => durationMs,
    cell: ({ durationMs }) => milliseconds(durationMs),
  },
  { name: 'Tries', isNumber: true, isMinor: true, by: ({ attempts }) => attempts, cell: ({ attempts }) => attempts },
  {
    name: 'mTLS',
    isMinor: true,
    by: ({ secured }) => (secured ? 1 : 0),
    cell: ({ secured }) => (secured ? <Badge tone="good">yes</Badge> : <Badge tone="quiet">no</Badge>),
  },
  { name: 'Proxy', isMinor: true, by: ({ proxy }) => proxy, cell: ({ proxy }) => <span class="soft">{proxy}</span> },
];
