import type { NodeJson, ServicesJson, TopologyJson } from '@weft/control';
import { useState } from 'preact/hooks';
import { useDocument } from '../feed/use-document.ts';
import { Loaded, Panel } from '../parts/panel.tsx';
import { type Column, Table } from '../parts/table.tsx';
import { ServiceName, signalColumns } from '../parts/traffic-columns.tsx';
import { Badge } from '../parts/value.tsx';
import { WindowChoice, windowOf } from '../parts/window-choice.tsx';
import type { Route } from '../route.ts';

const COLUMNS: readonly Column<NodeJson>[] = [
  { name: 'Service', by: ({ id }) => id, cell: ({ id }) => <ServiceName id={id} /> },
  ...signalColumns<NodeJson>(),
  {
    name: 'Proxies',
    isNumber: true,
    by: ({ proxies }) => proxies,
    cell: ({ proxies, kind }) =>
      proxies === 0 ? <Badge tone="quiet">none</Badge> : `${proxies}${kind === 'gateway' ? ' (gateway)' : ''}`,
  },
];

/** All services that configuration names or traffic has shown. */
export function ServicesPage({ query }: { readonly query: Route['query'] }) {
  const topology = useDocument<TopologyJson>(`/api/v1/topology?window=${windowOf(query)}`);
  const named = useDocument<ServicesJson>('/api/v1/services');
  const [words, setWords] = useState('');
  return (
    <>
      <header class="head">
        <h1>Services</h1>
        <WindowChoice query={query} />
      </header>
      <Loaded live={topology}>
        {({ nodes }) => {
          const all = merged(nodes, named.value?.services ?? []);
          return (
            <Panel
              title="All services"
              wide
              note={`${all.length}`}
              tools={
                <input
                  type="search"
                  placeholder="Filter"
                  aria-label="Filter services"
                  value={words}
                  onInput={({ currentTarget }) => setWords(currentTarget.value)}
                />
              }
            >
              <Table
                caption="Services"
                columns={COLUMNS}
                rows={all.filter(({ id }) => id.includes(words.trim()))}
                rowKey={({ id }) => id}
                sortedBy="-Requests"
                empty={all.length === 0 ? 'Configuration names no service yet.' : 'No service has that in its name.'}
              />
            </Panel>
          );
        }}
      </Loaded>
    </>
  );
}

/** A service without a report has figures that nobody knows, not zeros. */
function merged(nodes: readonly NodeJson[], named: readonly string[]): NodeJson[] {
  const known = new Set(nodes.map(({ id }) => id));
  const silent = named
    .filter((id) => !known.has(id))
    .map((id): NodeJson => ({
      id,
      kind: 'plain',
      proxies: 0,
      bytesPerS: null,
      requestsPerS: null,
      failureShare: null,
      retriesPerS: null,
      p50Ms: null,
      p90Ms: null,
      p99Ms: null,
    }));
  return [...nodes.filter(({ id }) => id.includes('/')), ...silent];
}
