import type { EdgeJson, RouteTrafficJson, ServiceEndpointsJson, ServiceJson } from '@weft/control';
import type { BackendView, EndpointView } from '@weft/wire';
import { useDocument } from '../feed/use-document.ts';
import { milliseconds, rate, share, span } from '../format.ts';
import { Empty, Loaded, Panel } from '../parts/panel.tsx';
import { type Column, Table } from '../parts/table.tsx';
import { TimeChart } from '../parts/time-chart.tsx';
import { RouteName, ServiceName, bytesColumns, securedColumn, signalColumns } from '../parts/traffic-columns.tsx';
import { Badge, Tile, type Tone, Value, failureTone } from '../parts/value.tsx';
import { WindowChoice, windowOf } from '../parts/window-choice.tsx';
import { type Route, path, proxyHref } from '../route.ts';

const HALF_HOUR_MS = 1_800_000;

/** One service: what arrives, by which route, and how its endpoints do. */
export function ServicePage({
  id,
  query,
  theme,
}: {
  readonly id: string;
  readonly query: Route['query'];
  readonly theme: string;
}) {
  const windowMs = windowOf(query, HALF_HOUR_MS);
  const live = useDocument<ServiceJson>(`/api/v1/services/${path(id)}?window=${windowMs}`);
  const recent = useDocument<ServiceJson>(`/api/v1/services/${path(id)}?window=60000`);
  const endpoints = useDocument<ServiceEndpointsJson>(`/api/v1/services/${path(id)}/endpoints`);
  return (
    <>
      <header class="head">
        <h1>
          <span class="soft">{id.split('/')[0]}/</span>
          {id.slice(id.indexOf('/') + 1)}
        </h1>
        <a class="button" href={`/?focus=${encodeURIComponent(id)}`}>
          In the topology
        </a>
        <a class="button" href={`/tap?target=${encodeURIComponent(id)}`}>
          Tap
        </a>
        <WindowChoice query={query} otherwiseMs={HALF_HOUR_MS} />
      </header>
      <Loaded live={live}>
        {(service) => (
          <>
            {isUnheardOf(service) ? (
              <p class="partial" role="status">
                Nothing is known of {id}: no proxy stands beside it, and nobody called it in the last{' '}
                {span(service.windowMs)}. Is the name right? <a href="/services">All services</a>
              </p>
            ) : (
              <Golden service={recent.value ?? service} />
            )}
            <Charts service={service} theme={theme} />
            <Panel title="Endpoints" wide note="as the balancers of its callers see them now">
              <Loaded live={endpoints}>{(found) => <Endpoints found={found} />}</Loaded>
            </Panel>
            <Panel title="Routes">
              <Table
                caption="Routes to the service"
                columns={ROUTES}
                rows={service.routes}
                rowKey={({ source, route, rule }) => `${source} ${route} ${rule}`}
                sortedBy="-Requests"
                empty="Nothing came by a route in this window."
              />
            </Panel>
            <Panel title="Callers">
              <Table
                caption="Callers of the service"
                columns={[
                  { name: 'From', by: ({ source }) => source, cell: ({ source }) => <ServiceName id={source} /> },
                  ...EDGES,
                ]}
                rows={service.callers}
                rowKey={({ source, protocol, countedBy }) => `${source} ${protocol} ${countedBy}`}
                sortedBy="-Requests"
                empty="Nobody called it in this window."
              />
            </Panel>
            <Panel title="Calls">
              <Table
                caption="Services it calls"
                columns={[
                  {
                    name: 'To',
                    by: ({ destination }) => destination,
                    cell: ({ destination }) => <ServiceName id={destination} />,
                  },
                  ...EDGES,
                ]}
                rows={service.callees}
                rowKey={({ destination, protocol, countedBy }) => `${destination} ${protocol} ${countedBy}`}
                sortedBy="-Requests"
                empty="It called nobody in this window."
              />
            </Panel>
            <Panel title="Proxies" note="beside it">
              {service.proxies.length === 0 ? (
                <Empty>No proxy stands beside it, or none has reported yet.</Empty>
              ) : (
                <ul class="list">
                  {service.proxies.map((name) => (
                    <li key={name}>
                      <a href={proxyHref(name)}>{name}</a>
                    </li>
                  ))}
                </ul>
              )}
            </Panel>
          </>
        )}
      </Loaded>
    </>
  );
}

const EDGES: readonly Column<EdgeJson>[] = [...signalColumns<EdgeJson>(), securedColumn, ...bytesColumns];

const ROUTES: readonly Column<RouteTrafficJson>[] = [
  {
    name: 'Route',
    by: ({ route }) => route,
    cell: ({ route, rule }) => (
      <>
        <RouteName route={route} />
        {rule === '' ? null : <span class="soft"> rule {rule}</span>}
      </>
    ),
  },
  { name: 'From', by: ({ source }) => source, cell: ({ source }) => <ServiceName id={source} /> },
  ...signalColumns<RouteTrafficJson>(),
];

/** No traffic of it was ever seen: a zero would say that somebody looked. */
function isUnheardOf({ proxies, callers, callees, routes }: ServiceJson): boolean {
  return proxies.length + callers.length + callees.length + routes.length === 0;
}

function Golden({ service: { signals, callers } }: { readonly service: ServiceJson }) {
  const none = 'no request ended in the last minute';
  const secured = callers.every(({ securedShare }) => securedShare === null || securedShare === 1);
  const known = callers.some(({ securedShare }) => securedShare !== null);
  return (
    <dl class="tiles">
      <Tile name="Requests" text={rate(signals.requestsPerS)} why="no caller has reported yet" note="last minute" />
      <Tile name="Failed" text={share(signals.failureShare)} why={none} tone={failureTone(signals.failureShare)} />
      <Tile name="p50" text={milliseconds(signals.p50Ms)} why={none} />
      <Tile name="p90" text={milliseconds(signals.p90Ms)} why={none} />
      <Tile name="p99" text={milliseconds(signals.p99Ms)} why={none} />
      <Tile name="Retries" text={rate(signals.retriesPerS)} why="no caller has reported yet" />
      <Tile
        name="Mutual TLS"
        text={!known ? '–' : secured ? 'all' : 'not all'}
        why={none}
        tone={known && !secured ? 'bad' : 'plain'}
      />
    </dl>
  );
}

function Charts({ service: { series }, theme }: { readonly service: ServiceJson; readonly theme: string }) {
  const { startMs, stepMs } = series;
  const shared = { startMs, stepMs, theme };
  return (
    <div class="charts">
      <TimeChart
        {...shared}
        title="Requests"
        format={rate}
        lines={[{ name: 'requests', values: series.requestsPerS, colour: 'accent', isFilled: true }]}
      />
      <TimeChart
        {...shared}
        title="Latency"
        format={milliseconds}
        lines={[
          { name: 'p99', values: series.p99Ms, colour: 'warn' },
          { name: 'p90', values: series.p90Ms, colour: 'blue' },
          { name: 'p50', values: series.p50Ms, colour: 'accent' },
        ]}
      />
      <TimeChart
        {...shared}
        title="Failures and retries"
        format={rate}
        lines={[
          { name: 'failed', values: series.failuresPerS, colour: 'bad', isFilled: true },
          { name: 'retries', values: series.retriesPerS, colour: 'blue' },
        ]}
      />
    </div>
  );
}

const STATES: Readonly<Record<string, Tone>> = {
  healthy: 'good',
  ejected: 'bad',
  unhealthy: 'bad',
  probing: 'warn',
  'slow-start': 'warn',
};

const ENDPOINTS: readonly Column<EndpointView>[] = [
  { name: 'Endpoint', by: ({ endpoint }) => endpoint, cell: ({ endpoint }) => <span class="mono">{endpoint}</span> },
  {
    name: 'Address',
    isMinor: true,
    by: ({ address }) => address,
    cell: ({ address }) => <span class="mono soft">{address}</span>,
  },
  {
    name: 'State',
    by: ({ state }) => state,
    cell: ({ state, forMs }) => (
      <>
        <Badge tone={STATES[state] ?? 'quiet'}>{state}</Badge>
        {forMs >= 0 ? <span class="soft"> for {span(forMs)}</span> : null}
      </>
    ),
  },
  {
    name: 'Score',
    isNumber: true,
    by: ({ score }) => score,
    cell: ({ score }) => (
      <Value text={score < 0 ? '–' : score.toFixed(score < 10 ? 2 : 0)} why="this balancer keeps no score" />
    ),
  },
  {
    name: 'Latency',
    isNumber: true,
    by: ({ latencyMs }) => latencyMs,
    cell: ({ latencyMs }) => <Value text={milliseconds(latencyMs)} why="not measured yet" />,
  },
  { name: 'In flight', isNumber: true, by: ({ inFlight }) => inFlight, cell: ({ inFlight }) => inFlight },
  { name: 'Tries', isNumber: true, by: ({ tries }) => tries, cell: ({ tries }) => tries },
  {
    name: 'Failures',
    isNumber: true,
    by: ({ failures }) => failures,
    cell: ({ failures }) => (failures > 0 ? <Value text={String(failures)} why="" tone="bad" /> : 0),
  },
  {
    name: 'Ejections',
    isNumber: true,
    isMinor: true,
    by: ({ ejections }) => ejections,
    cell: ({ ejections }) => ejections,
  },
  { name: 'Weight', isNumber: true, isMinor: true, by: ({ weight }) => weight, cell: ({ weight }) => weight },
  {
    name: 'Zone',
    isMinor: true,
    by: ({ zone }) => zone,
    cell: ({ zone }) => (zone === '' ? <Value text="–" why="the instance names no zone" /> : zone),
  },
];

function Endpoints({ found: { views, silent } }: { readonly found: ServiceEndpointsJson }) {
  const known = views.filter(({ backends }) => backends.length > 0);
  return (
    <>
      {silent.length === 0 ? null : <p class="trouble">No answer within a second: {silent.join(', ')}</p>}
      {known.length === 0 ? (
        <Empty>No caller balances over its endpoints: nobody called it in the last 5 minutes.</Empty>
      ) : null}
      {known.flatMap(({ proxy, backends }) =>
        backends.map((backend) => (
          <div class="block" key={`${proxy} ${backend.backend}`}>
            <BackendHead proxy={proxy} backend={backend} />
            <Table
              caption={`Endpoints of ${backend.backend} as ${proxy} sees them`}
              columns={ENDPOINTS}
              rows={backend.endpoints}
              rowKey={({ endpoint, address }) => `${endpoint} ${address}`}
              sortedBy="Endpoint"
              empty="It has no endpoint."
            />
          </div>
        )),
      )}
    </>
  );
}

function BackendHead({
  proxy,
  backend: { backend, facts },
}: {
  readonly proxy: string;
  readonly backend: BackendView;
}) {
  const isWell = facts.breaker === '' || facts.breaker === 'closed';
  return (
    <h3>
      <span>
        <a href={proxyHref(proxy)}>{proxy}</a> <span class="soft">to</span> {backend}
      </span>
      <span class="facts">
        <Badge tone={facts.healthy === facts.endpoints ? 'good' : 'warn'}>
          {facts.healthy} of {facts.endpoints} healthy
        </Badge>
        {facts.ejected > 0 ? <Badge tone="bad">{facts.ejected} ejected</Badge> : null}
        {facts.panic ? <Badge tone="bad">panic: all are used</Badge> : null}
        <Badge tone={isWell ? 'quiet' : 'bad'}>breaker {facts.breaker === '' ? 'off' : facts.breaker}</Badge>
        <Badge tone="quiet">
          budget {facts.budgetRetries} retries of {facts.budgetRequests} requests
        </Badge>
      </span>
    </h3>
  );
}
