import type { ProxiesJson } from '@weft/control';
import type { ProxyStatus } from '@weft/wire';
import { useState } from 'preact/hooks';
import { useDocument } from '../feed/use-document.ts';
import { useNow } from '../feed/use-now.ts';
import { ago, bytes, milliseconds, span } from '../format.ts';
import { Loaded, Panel } from '../parts/panel.tsx';
import { type Column, Table } from '../parts/table.tsx';
import { Badge, type Tone, Value } from '../parts/value.tsx';
import { proxyHref } from '../route.ts';

const STATES: Readonly<Record<ProxyStatus['state'], Tone>> = {
  Synced: 'good',
  Behind: 'warn',
  Refusing: 'bad',
  Draining: 'warn',
  Lost: 'bad',
};
const SOON_MS = 600_000;

/** All proxies with what they hold. */
export function ProxiesPage() {
  const live = useDocument<ProxiesJson>('/api/v1/proxies');
  const nowMs = useNow();
  const [words, setWords] = useState('');
  return (
    <>
      <header class="head">
        <h1>Proxies</h1>
      </header>
      <Loaded live={live}>
        {({ proxies }) => (
          <Panel
            title="Connected, or lost within the last seconds"
            wide
            note={String(proxies.length)}
            tools={
              <input
                type="search"
                placeholder="Filter"
                aria-label="Filter proxies"
                value={words}
                onInput={({ currentTarget }) => setWords(currentTarget.value)}
              />
            }
          >
            <Table
              caption="Proxies"
              columns={columns(nowMs)}
              rows={proxies.filter(({ name, state, version }) =>
                `${name} ${state} ${version}`.toLowerCase().includes(words.trim().toLowerCase()),
              )}
              rowKey={({ name }) => name}
              sortedBy="Proxy"
              empty={
                proxies.length === 0
                  ? 'No proxy is connected. Start a program with one: weft run --service NAME --port PORT -- PROGRAM'
                  : 'No proxy fits.'
              }
            />
          </Panel>
        )}
      </Loaded>
    </>
  );
}

export function StateBadge({ status: { state, behind, refused, report } }: { readonly status: ProxyStatus }) {
  const note = state === 'Behind' ? ` by ${behind}` : state === 'Refusing' ? ` ${refused}` : '';
  const isReady = report?.ready !== false;
  return (
    <Badge tone={state === 'Synced' && !isReady ? 'warn' : STATES[state]}>
      {state}
      {note}
      {state === 'Synced' && !isReady ? ', not ready' : ''}
    </Badge>
  );
}

function ProxyName({ name }: { readonly name: string }) {
  return (
    <a href={proxyHref(name)} class="name">
      <span class="soft">{name.slice(0, name.indexOf('/') + 1)}</span>
      {name.slice(name.indexOf('/') + 1)}
    </a>
  );
}

function columns(nowMs: number): readonly Column<ProxyStatus>[] {
  const silent = 'it has not reported yet';
  return [
    { name: 'Proxy', by: ({ name }) => name, cell: ({ name }) => <ProxyName name={name} /> },
    { name: 'State', by: ({ state }) => state, cell: (status) => <StateBadge status={status} /> },
    {
      name: 'Configuration',
      isMinor: true,
      by: ({ version }) => version,
      cell: ({ version }) => (
        <Value text={version === '' ? '–' : version.slice(0, 10)} why="it has acknowledged nothing yet" />
      ),
    },
    {
      name: 'Acknowledged',
      isNumber: true,
      by: ({ resources, behind }) => (resources === 0 ? 1 : (resources - behind) / resources),
      cell: ({ resources, behind }) => `${resources - behind}/${resources}`,
    },
    {
      name: 'Last ACK',
      isMinor: true,
      by: ({ lastAckAtMs }) => lastAckAtMs,
      cell: ({ lastAckAtMs }) => <Value text={ago(lastAckAtMs, nowMs)} why="it has acknowledged nothing yet" />,
    },
    {
      name: 'Certificate',
      by: ({ report }) => report?.certificateNotAfterMs ?? null,
      cell: ({ report }) => <Certificate untilMs={report?.certificateNotAfterMs ?? 0} nowMs={nowMs} />,
    },
    {
      name: 'Memory',
      isNumber: true,
      by: ({ report }) => report?.residentBytes ?? null,
      cell: ({ report }) => <Value text={bytes(report?.residentBytes ?? null)} why={silent} />,
    },
    {
      name: 'Loop p99',
      isNumber: true,
      by: ({ report }) => report?.loopDelayP99Ms ?? null,
      cell: ({ report }) => <Value text={milliseconds(report?.loopDelayP99Ms ?? null)} why={silent} />,
    },
    { name: 'Weft', isMinor: true, by: ({ workload }) => workload.version, cell: ({ workload }) => workload.version },
  ];
}

export function Certificate({ untilMs, nowMs }: { readonly untilMs: number; readonly nowMs: number }) {
  if (untilMs === 0) return <Value text="–" why="it has not told of its certificate" />;
  const leftMs = untilMs - nowMs;
  if (leftMs <= 0) return <Badge tone="bad">ended</Badge>;
  return leftMs < SOON_MS ? <Badge tone="warn">{span(leftMs)} left</Badge> : <>{span(leftMs)} left</>;
}
