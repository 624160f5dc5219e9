import type { WhyJson } from '@weft/control';
import type { AskedRing, Attempt, Hop, PassedOver } from '@weft/wire';
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { readOnce } from '../feed/event-stream.ts';
import { go } from '../feed/use-route.ts';
import { ago, bareName, bytes, clock, milliseconds, share } from '../format.ts';
import { Empty, Panel } from '../parts/panel.tsx';
import { type Column, Table } from '../parts/table.tsx';
import { RouteName } from '../parts/traffic-columns.tsx';
import { Badge, Value } from '../parts/value.tsx';
import { proxyHref, requestHref } from '../route.ts';
import { type Bar, waterfallOf } from '../waterfall.ts';

/** Why one request went where it went, at each proxy it crossed. */
export function RequestPage({ id }: { readonly id: string }) {
  const [words, setWords] = useState(id);
  const [found, setFound] = useState<WhyJson | string | null>(null);
  useEffect(() => {
    setWords(id);
    setFound(null);
    if (id === '') return undefined;
    const leaving = new AbortController();
    readOnce<WhyJson>(`/api/v1/why/${encodeURIComponent(id)}`, leaving.signal).then(setFound, (error: Error) => {
      if (!leaving.signal.aborted) setFound(error.message);
    });
    return () => leaving.abort();
  }, [id]);
  return (
    <>
      <header class="head">
        <h1>Request</h1>
        <form
          class="ask"
          onSubmit={(event) => {
            event.preventDefault();
            const asked = words.trim();
            if (asked !== '') go(requestHref(asked));
          }}
        >
          <input
            type="search"
            aria-label="Trace id or request id"
            placeholder="Trace id or request id"
            value={words}
            onInput={({ currentTarget }) => setWords(currentTarget.value)}
          />
          <button type="submit">Why?</button>
        </form>
      </header>
      {id === '' ? (
        <Empty>
          Give the id of a trace (<span class="mono">traceparent</span>) or of a request (
          <span class="mono">x-request-id</span>), or pick one on the <a href="/tap">tap page</a>. Sidecars remember all
          failures and a sample of the rest.
        </Empty>
      ) : found === null ? (
        <Empty>Asking all sidecars …</Empty>
      ) : typeof found === 'string' ? (
        <p class="trouble" role="alert">
          {found}
        </p>
      ) : found.hops.length === 0 ? (
        <NotFound why={found} />
      ) : (
        <Why why={found} />
      )}
    </>
  );
}

function Why({ why: { hops, rings } }: { readonly why: WhyJson }) {
  const { totalMs, bars } = waterfallOf(hops);
  const first = hops[0]!.hop;
  const silent = rings.filter((ring) => ring.silent !== '');
  return (
    <>
      <p class="summary">
        <StatusBadge hop={first} />
        <span class="mono">
          {first.method} {first.authority}
          {first.path}
        </span>
        <span class="soft">
          {clock(first.startedAtMs, true)}, {milliseconds(first.durationMs)}, {hops.length}{' '}
          {hops.length === 1 ? 'hop' : 'hops'}
          {first.traceId === '' ? '' : `, trace ${first.traceId}`}
        </span>
      </p>
      {silent.length === 0 ? null : (
        <p class="trouble">
          No answer from {silent.map(({ proxy, silent: reason }) => `${proxy} (${reason})`).join(', ')}
        </p>
      )}
      <Panel title="Where the time went" wide note={<Legend />}>
        <ol class="waterfall">
          {bars.map((bar, index) => (
            <Row key={index} bar={bar} totalMs={totalMs} />
          ))}
        </ol>
      </Panel>
    </>
  );
}

const KINDS: readonly (readonly [string, string])[] = [
  ['decide', 'deciding'],
  ['earlier', 'failed tries'],
  ['backoff', 'backoff'],
  ['connect', 'connecting'],
  ['tls', 'TLS'],
  ['upstream', 'waiting'],
  ['response', 'receiving'],
];

function Legend() {
  return (
    <span class="legend">
      {KINDS.map(([kind, name]) => (
        <span key={kind}>
          <i class={`seg ${kind}`} aria-hidden="true" />
          {name}
        </span>
      ))}
    </span>
  );
}

function Row({
  bar: { hop: one, startMs, durationMs, segments },
  totalMs,
}: {
  readonly bar: Bar;
  readonly totalMs: number;
}) {
  const { hop, proxy, workload, depth } = one;
  const isFailed = hop.status === 0 || hop.status >= 500;
  const percent = (ms: number): string => `${((ms / totalMs) * 100).toFixed(3)}%`;
  return (
    <li>
      <details open={isFailed}>
        <summary>
          <span class="who" style={{ paddingLeft: `${Math.min(8, depth) * 14}px` }}>
            <StatusBadge hop={hop} />
            <b>{bareName(workload)}</b>
            <span class="soft">{hop.direction === 'Inbound' ? 'received' : `→ ${bareName(hop.destination)}`}</span>
          </span>
          <span
            class="track"
            role="img"
            aria-label={`from ${milliseconds(startMs)} for ${milliseconds(durationMs)}: ${segments.map(({ name, durationMs: part }) => `${name} ${milliseconds(part)}`).join(', ')}`}
          >
            <span
              class={`bar ${isFailed ? 'bad' : ''}`}
              style={{ left: percent(startMs), width: `max(3px, ${percent(durationMs)})` }}
            >
              {segments.map((segment) => (
                <i
                  key={segment.kind}
                  class={`seg ${segment.kind}`}
                  title={`${segment.name}: ${milliseconds(segment.durationMs)}`}
                  style={{ width: `${((segment.durationMs / Math.max(0.001, durationMs)) * 100).toFixed(2)}%` }}
                />
              ))}
            </span>
          </span>
          <span class="took">{milliseconds(durationMs)}</span>
        </summary>
        <Detail hop={hop} proxy={proxy} />
      </details>
    </li>
  );
}

function StatusBadge({ hop: { status, grpcStatus, termination } }: { readonly hop: Hop }) {
  const tone = status === 0 || status >= 500 ? 'bad' : status >= 400 ? 'warn' : 'good';
  return (
    <Badge tone={tone} title={termination}>
      {status === 0 ? 'no answer' : status}
      {grpcStatus > 0 ? ` grpc ${grpcStatus}` : ''}
    </Badge>
  );
}

function Detail({ hop, proxy }: { readonly hop: Hop; readonly proxy: string }) {
  const { backend, spent } = hop;
  return (
    <div class="detail">
      <dl class="pairs">
        <Pair name="Proxy">
          <a href={proxyHref(proxy)}>{proxy}</a>
        </Pair>
        <Pair name="Ended">
          {hop.termination}
          {hop.detail === '' ? '' : `: ${hop.detail}`}
        </Pair>
        <Pair name="From, to">
          {hop.source || 'unknown'} → {hop.destination || 'nowhere'}
        </Pair>
        <Pair name="Rule">
          <RouteName route={hop.route} />
          {hop.rule === '' ? '' : ` rule ${hop.rule}`}
          {hop.match === '' ? '' : `, matched ${hop.match}`}
        </Pair>
        {hop.backends.length === 0 ? null : (
          <Pair name="Backends">
            {hop.backends.map(({ backend: each, weight }, index) => (
              <Badge
                key={each}
                tone={index === hop.drawn ? 'good' : 'quiet'}
              >{`${each} weight ${weight}${index === hop.drawn ? ', drawn' : ''}`}</Badge>
            ))}
          </Pair>
        )}
        {backend === null ? null : (
          <Pair name="Endpoints">
            {backend.healthy} of {backend.endpoints} healthy
            {backend.ejected > 0
              ? `, ${backend.ejected} ejected (next tried in ${milliseconds(backend.ejectedForMs)})`
              : ''}
            {backend.unhealthy > 0 ? `, ${backend.unhealthy} unhealthy` : ''}
            {backend.slowStart > 0 ? `, ${backend.slowStart} in slow start` : ''}
            {backend.panic ? ', panic: all are used' : ''}
            {`; breaker ${backend.breaker || 'off'}; budget ${backend.budgetRetries} retries of ${backend.budgetRequests} requests${hop.budgetSpent ? ', spent' : ''}`}
          </Pair>
        )}
        <Pair name="Time-outs">
          {hop.requestTimeoutMs === 0
            ? 'no limit'
            : `${milliseconds(hop.requestTimeoutMs)}, ${milliseconds(hop.leftMs)} left`}
          {hop.tryTimeoutMs === 0 ? '' : `; ${milliseconds(hop.tryTimeoutMs)} a try`}; {hop.retriesAllowed} retries
          allowed
        </Pair>
        <Pair name="Identity">
          {hop.upstreamIdentity === '' ? (
            <Badge tone={hop.direction === 'Outbound' && hop.attempts.length > 0 ? 'bad' : 'quiet'}>
              plaintext or local
            </Badge>
          ) : (
            <span class="mono">{hop.upstreamIdentity}</span>
          )}
        </Pair>
        <Pair name="Weft's own cost">
          <Value text={milliseconds(spent.ownMs)} why="it was not measured for this request" />
        </Pair>
        <Pair name="Bytes">
          {bytes(hop.requestBytes)} in, {bytes(hop.responseBytes)} out, {hop.protocol}
        </Pair>
        <Pair name="Configuration">
          <span class="mono">{hop.version || '–'}</span>
          {hop.versionNow !== '' && hop.versionNow !== hop.version ? (
            <Badge tone="warn">now {hop.versionNow}</Badge>
          ) : null}
        </Pair>
      </dl>
      {hop.attempts.length === 0 ? null : (
        <Table
          caption="Tries"
          columns={ATTEMPTS}
          rows={hop.attempts}
          rowKey={({ startedMs, address }) => `${startedMs} ${address}`}
          empty=""
        />
      )}
      {hop.passedOverUnknown !== '' ? (
        <p class="soft">Which rules were passed over is not known: {hop.passedOverUnknown}</p>
      ) : null}
      {hop.passedOver.length === 0 ? null : (
        <>
          <h4>
            Passed over
            {hop.passedOverCount > hop.passedOver.length ? ` (${hop.passedOver.length} of ${hop.passedOverCount})` : ''}
          </h4>
          <Table
            caption="Rules that did not match"
            columns={PASSED}
            rows={hop.passedOver}
            rowKey={({ route, rule, match, field, name: header }) => `${route} ${rule} ${match} ${field} ${header}`}
            empty=""
            most={20}
          />
        </>
      )}
    </div>
  );
}

const ATTEMPTS: readonly Column<Attempt>[] = [
  { name: 'Try', cell: ({ endpoint, address }) => <span class="mono">{endpoint || address}</span> },
  { name: 'Started', isNumber: true, cell: ({ startedMs }) => milliseconds(startedMs) },
  {
    name: 'Took',
    isNumber: true,
    cell: ({ durationMs }) => <Value text={milliseconds(durationMs)} why="it did not end" />,
  },
  {
    name: 'Connect',
    isNumber: true,
    isMinor: true,
    cell: ({ connectMs }) => (connectMs < 0 ? <span class="soft">reused</span> : milliseconds(connectMs)),
  },
  { name: 'Answer', cell: ({ status, termination }) => (status > 0 ? String(status) : termination) },
  {
    name: 'Score',
    isMinor: true,
    cell: ({ score, rival, rivalScore }) =>
      score < 0 ? (
        <Value text="–" why="this balancer keeps no score" />
      ) : (
        `${score.toFixed(2)}${rival === '' ? '' : `, beside ${rival} ${rivalScore.toFixed(2)}`}`
      ),
  },
  {
    name: 'Then',
    cell: ({ retryReason, backoffMs }) =>
      retryReason === '' ? '' : `again: ${retryReason}${backoffMs > 0 ? ` after ${milliseconds(backoffMs)}` : ''}`,
  },
];

const PASSED: readonly Column<PassedOver>[] = [
  { name: 'Rule', cell: ({ route, rule }) => `${route}${rule === '' ? '' : ` rule ${rule}`}` },
  { name: 'Match', cell: ({ match }) => <span class="mono">{match}</span> },
  { name: 'Field', cell: ({ field, name }) => `${field}${name === '' ? '' : ` ${name}`}` },
  { name: 'Expected', cell: ({ expected }) => <span class="mono">{expected}</span> },
  {
    name: 'Was',
    cell: ({ actual }) =>
      actual === '' ? <Value text="–" why="the request has none" /> : <span class="mono">{actual}</span>,
  },
];

function NotFound({ why: { request, rings } }: { readonly why: WhyJson }) {
  const answered = rings.filter(({ silent }) => silent === '').length;
  return (
    <>
      <p class="trouble" role="status">
        No sidecar remembers {request}. {answered} of {rings.length} answered; how far back each remembers stands below.
      </p>
      <Panel title="Rings asked" wide>
        <Table
          caption="Rings of the sidecars"
          columns={RINGS}
          rows={rings}
          rowKey={({ proxy }) => proxy}
          empty="No proxy is connected."
        />
      </Panel>
    </>
  );
}

const RINGS: readonly Column<AskedRing>[] = [
  { name: 'Proxy', by: ({ proxy }) => proxy, cell: ({ proxy }) => <a href={proxyHref(proxy)}>{proxy}</a> },
  {
    name: 'Answer',
    by: ({ silent }) => silent,
    cell: ({ silent }) => (silent === '' ? <Badge tone="good">answered</Badge> : <Badge tone="bad">{silent}</Badge>),
  },
  {
    name: 'Records',
    isNumber: true,
    by: ({ reach }) => reach?.records ?? null,
    cell: ({ reach }) => reach?.records ?? <Value text="–" why="it did not answer" />,
  },
  { name: 'Failures since', cell: ({ reach }) => <Since atMs={reach?.errorsSinceMs ?? 0} /> },
  { name: 'Others since', cell: ({ reach }) => <Since atMs={reach?.samplesSinceMs ?? 0} /> },
  {
    name: 'Of others',
    cell: ({ reach }) =>
      reach === null ? (
        <Value text="–" why="it did not answer" />
      ) : reach.sampledOneIn === 1 ? (
        'all'
      ) : (
        `${share(1 / Math.max(1, reach.sampledOneIn))}`
      ),
  },
];

function Since({ atMs }: { readonly atMs: number }) {
  return <Value text={ago(atMs, Date.now())} why="it holds none" />;
}

function Pair({ name, children }: { readonly name: string; readonly children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
