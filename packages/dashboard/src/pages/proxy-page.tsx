import type { ProxyJson } from '@weft/control';
import type { ResourceVersion } from '@weft/wire';
import type { ComponentChildren } from 'preact';
import { useDocument } from '../feed/use-document.ts';
import { useNow } from '../feed/use-now.ts';
import { ago, bytes, clock, count, milliseconds } from '../format.ts';
import { Empty, Loaded, Panel } from '../parts/panel.tsx';
import { type Column, Table } from '../parts/table.tsx';
import { TimeChart } from '../parts/time-chart.tsx';
import { Badge, Tile } from '../parts/value.tsx';
import { WindowChoice, windowOf } from '../parts/window-choice.tsx';
import { type Route, path, serviceHref } from '../route.ts';
import { Certificate, StateBadge } from './proxies-page.tsx';

const HALF_HOUR_MS = 1_800_000;

/** One proxy: what it holds, what it runs on, and how it feels. */
export function ProxyPage({
  name,
  query,
  theme,
}: {
  readonly name: string;
  readonly query: Route['query'];
  readonly theme: string;
}) {
  const live = useDocument<ProxyJson>(`/api/v1/proxies/${path(name)}?window=${windowOf(query, HALF_HOUR_MS)}`);
  return (
    <>
      <header class="head">
        <h1>
          <span class="soft">{name.split('/')[0]}/</span>
          {name.slice(name.indexOf('/') + 1)}
        </h1>
        {live.value === undefined ? null : <StateBadge status={live.value.status} />}
        <a class="button" href={`/tap?target=${encodeURIComponent(name)}`}>
          Tap
        </a>
        <WindowChoice query={query} otherwiseMs={HALF_HOUR_MS} />
      </header>
      <Loaded live={live}>{(proxy) => <Proxy proxy={proxy} theme={theme} />}</Loaded>
    </>
  );
}

function Proxy({ proxy: { status, versions, gauges }, theme }: { readonly proxy: ProxyJson; readonly theme: string }) {
  const nowMs = useNow();
  const { report, workload } = status;
  const silent = 'it has not reported yet';
  return (
    <>
      <dl class="tiles">
        <Tile
          name="Acknowledged"
          text={`${status.resources - status.behind}/${status.resources}`}
          why=""
          tone={status.behind > 0 ? 'warn' : 'plain'}
          note="resources"
        />
        <Tile name="Last ACK" text={ago(status.lastAckAtMs, nowMs)} why="it has acknowledged nothing yet" />
        <Tile name="Memory" text={bytes(report?.residentBytes ?? null)} why={silent} />
        <Tile name="Loop delay p99" text={milliseconds(report?.loopDelayP99Ms ?? null)} why={silent} />
        <Tile name="Connections in" text={count(report?.inboundConnections ?? null)} why={silent} />
        <Tile name="Requests" text={count(report?.requestsTotal ?? null)} why={silent} note="since it started" />
      </dl>
      {gauges === null ? (
        <Empty>It has told no counters yet. Sidecars tell every 5 s.</Empty>
      ) : (
        <div class="charts">
          <TimeChart
            title="Memory"
            theme={theme}
            startMs={gauges.startMs}
            stepMs={gauges.stepMs}
            format={bytes}
            lines={[{ name: 'resident', values: gauges.residentBytes, colour: 'accent', isFilled: true }]}
          />
          <TimeChart
            title="Event loop delay"
            theme={theme}
            startMs={gauges.startMs}
            stepMs={gauges.stepMs}
            format={milliseconds}
            lines={[{ name: 'p99', values: gauges.loopDelayP99Ms, colour: 'warn' }]}
          />
          <TimeChart
            title="Connections"
            theme={theme}
            startMs={gauges.startMs}
            stepMs={gauges.stepMs}
            format={(value) => (value === null ? '–' : value.toFixed(0))}
            lines={[{ name: 'open', values: gauges.connections, colour: 'blue', isFilled: true }]}
          />
        </div>
      )}
      <Panel title="What it is">
        <dl class="pairs">
          <Pair name="Identity">
            <span class="mono">{status.identity}</span>
          </Pair>
          <Pair name="Certificate">
            <Certificate untilMs={report?.certificateNotAfterMs ?? 0} nowMs={nowMs} />
          </Pair>
          <Pair name={status.gateway === '' ? 'Service' : 'Gateway'}>
            {status.gateway !== '' ? (
              status.gateway
            ) : workload.service === '' ? (
              <span class="soft">none is named</span>
            ) : (
              <a
                href={serviceHref(`${workload.namespace}/${workload.service}`)}
              >{`${workload.namespace}/${workload.service}`}</a>
            )}
          </Pair>
          <Pair name="Address">
            <span class="mono">{status.address}</span>
          </Pair>
          <Pair name="Weft">{workload.version}</Pair>
          <Pair name="Node, zone">
            {[workload.node, workload.zone].filter((part) => part !== '').join(', ') || (
              <span class="soft">not named</span>
            )}
          </Pair>
          <Pair name="Connected">
            {ago(status.connectedAtMs, nowMs)} <span class="soft">({clock(status.connectedAtMs)})</span>
          </Pair>
          <Pair name="Transactions">
            {status.acknowledgedTransaction} of {status.lastTransaction} acknowledged
          </Pair>
          <Pair name="Labels">
            {workload.labels.length === 0 ? (
              <span class="soft">none</span>
            ) : (
              workload.labels.map((label) => (
                <Badge key={label.name} tone="quiet">{`${label.name}=${label.value}`}</Badge>
              ))
            )}
          </Pair>
        </dl>
      </Panel>
      <Panel title="Listens" note="for others">
        {status.listeners.length === 0 ? (
          <Empty>It announces no listener.</Empty>
        ) : (
          <ul class="list">
            {status.listeners.map(({ name, applicationPort, address, port }) => (
              <li key={`${name} ${applicationPort}`} class="mono">
                {address}:{port}{' '}
                <span class="soft">
                  before port {applicationPort} {name}
                </span>
              </li>
            ))}
          </ul>
        )}
      </Panel>
      <Panel
        title="Configuration it holds"
        wide
        note={<span class="mono">{status.version === '' ? 'nothing yet' : status.version}</span>}
      >
        <Table
          caption="Resources of the proxy"
          columns={VERSIONS}
          rows={versions}
          rowKey={({ key }) => key}
          sortedBy="State"
          empty="It holds nothing."
          most={100}
        />
      </Panel>
    </>
  );
}

function Pair({ name, children }: { readonly name: string; readonly children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

const VERSIONS: readonly Column<ResourceVersion>[] = [
  { name: 'Resource', by: ({ key }) => key, cell: ({ key }) => <span class="mono">{key}</span> },
  {
    name: 'State',
    by: ({ error, current, inForce }) => (error !== '' ? 0 : current === inForce ? 2 : 1),
    cell: ({ error, current, inForce }) => {
      if (error !== '') return <Badge tone="bad">refused: {error}</Badge>;
      return current === inForce ? (
        <Badge tone="good">in force</Badge>
      ) : (
        <Badge tone="warn">{current === '' ? 'to be removed' : 'on its way'}</Badge>
      );
    },
  },
  {
    name: 'In force',
    isMinor: true,
    cell: ({ inForce }) => <span class="mono soft">{inForce === '' ? '–' : inForce.slice(0, 12)}</span>,
  },
  {
    name: 'Newest',
    isMinor: true,
    cell: ({ current }) => <span class="mono soft">{current === '' ? '–' : current.slice(0, 12)}</span>,
  },
];
