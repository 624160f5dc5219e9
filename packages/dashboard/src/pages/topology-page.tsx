import type { EdgeJson, TopologyJson } from '@weft/control';
import { useMemo, useState } from 'preact/hooks';
import { type Live, useDocument } from '../feed/use-document.ts';
import { go } from '../feed/use-route.ts';
import { namespaceOf, span } from '../format.ts';
import { type GraphChoice, MOST_SERVICES_AT_ONCE, makeGraph } from '../graph/graph-model.ts';
import { GraphView } from '../graph/graph-view.tsx';
import { Loaded, Panel } from '../parts/panel.tsx';
import { type Column, Table } from '../parts/table.tsx';
import { ServiceName, bytesColumns, securedColumn, signalColumns } from '../parts/traffic-columns.tsx';
import { type Route, withQuery } from '../route.ts';
import type { Theme } from '../theme.ts';
import { WindowChoice, windowOf } from '../parts/window-choice.tsx';

const COLUMNS: readonly Column<EdgeJson>[] = [
  { name: 'From', by: ({ source }) => source, cell: ({ source }) => <ServiceName id={source} /> },
  { name: 'To', by: ({ destination }) => destination, cell: ({ destination }) => <ServiceName id={destination} /> },
  { name: 'Protocol', isMinor: true, by: ({ protocol }) => protocol, cell: ({ protocol }) => protocol },
  ...signalColumns<EdgeJson>(),
  securedColumn,
  ...bytesColumns,
];

/** Who talks to whom, now. */
export function TopologyPage({ query, theme }: { readonly query: Route['query']; readonly theme: Theme }) {
  const windowMs = windowOf(query);
  const live = useDocument<TopologyJson>(`/api/v1/topology?window=${windowMs}`);
  return <Topology live={live} query={query} theme={theme} />;
}

function Topology({
  live,
  query,
  theme,
}: {
  readonly live: Live<TopologyJson>;
  readonly query: Route['query'];
  readonly theme: Theme;
}) {
  const [words, setWords] = useState('');
  return (
    <>
      <header class="head">
        <h1>Topology</h1>
        <WindowChoice query={query} />
      </header>
      <Loaded live={live}>
        {(topology) => (
          <>
            <Picture topology={topology} query={query} theme={theme} />
            <Panel
              title="Connections"
              wide
              note={coverage(topology)}
              tools={
                <input
                  type="search"
                  placeholder="Filter"
                  aria-label="Filter connections"
                  value={words}
                  onInput={({ currentTarget }) => setWords(currentTarget.value)}
                />
              }
            >
              <Table
                caption="Connections between services"
                most={60}
                columns={COLUMNS}
                rows={matching(topology.edges, words.trim())}
                rowKey={({ source, destination, protocol, countedBy }) =>
                  `${source} ${destination} ${protocol} ${countedBy}`
                }
                sortedBy="-Requests"
                empty={
                  topology.edges.length === 0
                    ? 'No proxy has told of traffic yet. Sidecars tell every 5 s.'
                    : 'No connection has that in its name.'
                }
              />
            </Panel>
          </>
        )}
      </Loaded>
    </>
  );
}

function Picture({
  topology,
  query,
  theme,
}: {
  readonly topology: TopologyJson;
  readonly query: Route['query'];
  readonly theme: Theme;
}) {
  const namespaces = useMemo(
    () => [...new Set(topology.nodes.map(({ id }) => namespaceOf(id)))].filter((name) => name !== '').sort(),
    [topology],
  );
  const focus = query.get('focus') ?? '';
  const hops = query.get('hops') === '2' ? 2 : 1;
  const asked = query.get('open');
  const isBig = topology.nodes.length > MOST_SERVICES_AT_ONCE;
  const open =
    asked === 'all'
      ? null
      : asked === null && !isBig
        ? null
        : new Set((asked ?? '').split(',').filter((name) => name !== ''));
  const choice: GraphChoice = { open, focus, hops };
  const graph = useMemo(() => makeGraph(topology, choice), [topology, query]);
  const set = (name: string, value: string): void => go(`/${withQuery(query.toString(), name, value)}`, true);
  // The same elements while the services are the same: figures change every 5 s, names hardly ever.
  const names = topology.nodes.filter(({ id }) => id.includes('/')).map(({ id }) => id);
  const known = names.join('\n');
  const options = useMemo(
    () => (
      <datalist id="services">
        {names.map((id) => (
          <option key={id} value={id} />
        ))}
      </datalist>
    ),
    [known],
  );
  const tools = (
    <>
      <label>
        <span class="unseen">Only what is around</span>
        <input
          type="search"
          list="services"
          placeholder="Around a service"
          value={focus}
          onChange={({ currentTarget }) => set('focus', names.includes(currentTarget.value) ? currentTarget.value : '')}
        />
        {options}
      </label>
      {focus === '' ? null : (
        <button type="button" aria-pressed={hops === 2} onClick={() => set('hops', hops === 2 ? '' : '2')}>
          2 hops
        </button>
      )}
      {namespaces.length > 1 ? (
        <button type="button" aria-pressed={open !== null} onClick={() => set('open', open === null ? 'none' : 'all')}>
          By namespace
        </button>
      ) : null}
    </>
  );
  return (
    <Panel
      title="Live traffic"
      wide
      tools={tools}
      note={`${topology.nodes.length} services and callers, ${topology.edges.length} connections`}
    >
      {graph.nodes.length === 0 ? (
        <p class="empty">No proxy has told of traffic yet. Sidecars tell every 5 s.</p>
      ) : (
        <GraphView
          graph={graph}
          choice={`${focus} ${hops} ${asked}`}
          theme={theme}
          onOpen={(namespace) => set('open', [...(open ?? []), namespace].join(','))}
        />
      )}
    </Panel>
  );
}

/** The same list without words, so that nothing is sorted anew for a letter elsewhere. */
function matching(edges: TopologyJson['edges'], words: string): TopologyJson['edges'] {
  if (words === '') return edges;
  return edges.filter(({ source, destination }) => `${source} ${destination}`.includes(words));
}

function coverage({ coveredMs, windowMs }: TopologyJson): string {
  if (coveredMs === 0) return 'nobody has reported yet';
  return coveredMs < windowMs ? `over ${span(coveredMs)}: no more is known` : `over ${span(coveredMs)}`;
}
