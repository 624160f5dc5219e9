import type { Attempt, AskedRing, Hop, ProxyHop, WhyResponse } from '@weft/wire';
import { humaneAgo, humaneDuration } from '../output/humane-time.ts';
import { type Colour, paint } from '../output/terminal.ts';

const MOST_PASSED_OVER = 12;
const LABEL = 10;

/** The answer to `weft why` as a person reads it. Ends with a line break. */
export function writeWhy(request: string, { hops, rings }: WhyResponse, nowMs: number, coloured: boolean): string {
  const answered = rings.filter(({ silent }) => silent === '');
  const asked = `${answered.length} of ${rings.length} ${rings.length === 1 ? 'proxy' : 'proxies'} answered`;
  if (hops.length === 0) return notFound(request, rings, asked, nowMs);
  const parts = hops.map((one, index) => {
    const before = hops[index - 1]?.hop;
    const isFirst = before?.requestId !== one.hop.requestId || before.traceId !== one.hop.traceId;
    return writeHopText(one, isFirst, coloured);
  });
  const silent = rings.filter((ring) => ring.silent !== '').map((ring) => `${ring.proxy} (${ring.silent})`);
  const missing = silent.length === 0 ? '' : `not answered: ${silent.join(', ')}\n`;
  return `${hops.length} ${hops.length === 1 ? 'hop' : 'hops'}, ${asked}\n${missing}\n${parts.join('\n')}`;
}

function notFound(request: string, rings: readonly AskedRing[], asked: string, nowMs: number): string {
  const lines = rings.map(({ proxy, silent, reach }) => {
    if (silent !== '' || reach === null) return `  ${clean(proxy)}: ${clean(silent)}`;
    const errors =
      reach.errorsSinceMs === 0 ? 'no errors' : `errors of the last ${humaneAgo(reach.errorsSinceMs, nowMs)}`;
    const samples =
      reach.samplesSinceMs === 0
        ? 'no others'
        : `${reach.sampledOneIn === 1 ? 'all' : `1 in ${reach.sampledOneIn} of the`} others of the last ${humaneAgo(reach.samplesSinceMs, nowMs)}`;
    return `  ${clean(proxy)}: ${reach.records} records, ${errors}, ${samples}`;
  });
  return `nobody remembers ${clean(request)}; ${asked}:\n${lines.join('\n')}\n`;
}

function writeHopText({ proxy, depth, hop }: ProxyHop, isFirst: boolean, coloured: boolean): string {
  const indent = '  '.repeat(depth);
  const rows = rowsOf(hop, isFirst);
  const head = `${indent}${paint(clean(proxy), 'dim', coloured)} ${hop.direction === 'Inbound' ? 'received' : 'sent'} ${clean(hop.method)} ${clean(hop.authority)}${clean(hop.path)}`;
  const outcome = paint(outcomeOf(hop), colourOf(hop), coloured);
  const lines = rows.map(([label, text]) => `${indent}  ${paint(label.padEnd(LABEL), 'dim', coloured)}${clean(text)}`);
  return `${head}   ${outcome}\n${lines.join('\n')}\n`;
}

function outcomeOf({ status, grpcStatus, termination, detail, durationMs }: Hop): string {
  const grpc = grpcStatus < 0 ? '' : ` grpc ${grpcStatus}`;
  const why = termination === 'completed' ? '' : ` ${termination}${detail === '' ? '' : ` (${clean(detail)})`}`;
  return `${status === 0 ? 'no response' : status}${grpc}${why} in ${ms(durationMs)}`;
}

function colourOf({ status, termination }: Hop): Colour {
  if (status >= 500 || (termination !== 'completed' && status === 0)) return 'red';
  return status >= 400 ? 'yellow' : 'green';
}

function rowsOf(hop: Hop, isFirst: boolean): (readonly [string, string])[] {
  const rows: (readonly [string, string])[] = [];
  rows.push(['at', new Date(hop.startedAtMs).toISOString()]);
  if (isFirst) rows.push(['ids', `request ${hop.requestId || '-'}, trace ${hop.traceId || '-'}`]);
  rows.push(['from', hop.source]);
  if (hop.destination !== '') rows.push(['to', hop.destination]);
  if (hop.route !== '' || hop.rule !== '') {
    rows.push([
      'rule',
      `${hop.route || 'of the service'}, rule ${hop.rule || '0'}${hop.match === '' ? '' : `: ${hop.match}`}`,
    ]);
  } else if (hop.termination === 'no-route') rows.push(['rule', 'none matched']);
  for (const one of hop.passedOver.slice(0, MOST_PASSED_OVER)) {
    const which = `${one.route || 'of the service'}, rule ${one.rule || '0'}: ${one.match}`;
    rows.push(['passed by', `${which} - ${reasonOf(one)}`]);
  }
  const more = hop.passedOverCount - Math.min(MOST_PASSED_OVER, hop.passedOver.length);
  if (more > 0) rows.push(['passed by', `${more} more; -o json shows ${hop.passedOver.length}`]);
  if (hop.passedOverUnknown !== '') rows.push(['passed by', `not known: ${hop.passedOverUnknown}`]);
  if (hop.backends.length > 1) rows.push(['backend', drawText(hop)]);
  for (const [index, attempt] of hop.attempts.entries()) rows.push([`try ${index + 1}`, attemptText(attempt)]);
  if (hop.backend !== null) rows.push(['endpoints', backendText(hop)]);
  rows.push(['limits', limitsText(hop)]);
  rows.push(['time', timeText(hop)]);
  if (hop.direction === 'Outbound' && hop.attempts.length > 0) {
    rows.push(['security', hop.upstreamIdentity === '' ? 'plaintext' : `mutual TLS with ${hop.upstreamIdentity}`]);
  }
  const changed = hop.version === hop.versionNow ? 'still in force' : `${hop.versionNow} is in force now`;
  rows.push(['config', `${hop.version}, ${changed}; kept as ${hop.kept}`]);
  return rows;
}

function reasonOf({ field, name, expected, actual }: Hop['passedOver'][number]): string {
  if (field === 'precedence') return `matches too, the winner goes before by ${name}`;
  const what = name === '' ? field : `${field} ${name}`;
  return `${what} is ${actual === '' ? 'not there' : actual}, not ${expected}`;
}

function drawText({ backends, drawn }: Hop): string {
  const total = backends.reduce((sum, { weight }) => sum + weight, 0);
  const shares = backends.map(({ backend, weight }, index) => {
    const share = total === 0 ? 0 : Math.round((weight * 1_000) / total) / 10;
    return `${backend || 'unresolved'} ${share} %${index === drawn ? ' (drawn)' : ''}`;
  });
  return `${shares.join(', ')}${drawn < 0 ? '; none was drawn' : ''}`;
}

function attemptText(attempt: Attempt): string {
  const { endpoint, address, startedMs, durationMs, status, termination, connectMs } = attempt;
  const ended = status > 0 ? `${status}` : termination || 'no response';
  const connected = connectMs < 0 ? '' : `, new connection in ${ms(connectMs)}`;
  const rival =
    attempt.rival === ''
      ? ''
      : `, score ${round(attempt.score)} beside ${attempt.rival} with ${round(attempt.rivalScore)}`;
  const again =
    attempt.retryReason === '' ? '' : `; again after ${ms(attempt.backoffMs)} because of ${attempt.retryReason}`;
  return `${endpoint} (${address}) at +${ms(startedMs)}: ${ended} after ${ms(durationMs)}${connected}${rival}${again}`;
}

function backendText({ backend, budgetSpent }: Hop): string {
  if (backend === null) return '';
  const { endpoints, healthy, ejected, unhealthy, slowStart, panic, ejectedForMs, breaker } = backend;
  const states = [
    `${healthy} of ${endpoints} healthy`,
    ...(ejected > 0 ? [`${ejected} ejected${ejectedForMs > 0 ? ` (next probe in ${ms(ejectedForMs)})` : ''}`] : []),
    ...(unhealthy > 0 ? [`${unhealthy} fail their checks`] : []),
    ...(slowStart > 0 ? [`${slowStart} in slow start`] : []),
    ...(panic ? ['panic: all are used'] : []),
    `breaker ${breaker}`,
    `retry budget ${backend.budgetRetries} of ${backend.budgetRequests} requests${budgetSpent ? ', spent' : ''}`,
    `${backend.activeRequests} under way`,
  ];
  return states.join(', ');
}

function limitsText({ requestTimeoutMs, tryTimeoutMs, leftMs, retriesAllowed }: Hop): string {
  const request = requestTimeoutMs === 0 && leftMs < 0 ? 'no time-out' : `time-out ${ms(requestTimeoutMs)}`;
  const left = leftMs < 0 ? '' : `, ${ms(leftMs)} left`;
  const each = tryTimeoutMs === 0 ? '' : `, ${ms(tryTimeoutMs)} a try`;
  return `${request}${left}${each}, ${retriesAllowed} ${retriesAllowed === 1 ? 'retry' : 'retries'} allowed`;
}

function timeText({ spent }: Hop): string {
  const parts: (readonly [string, number])[] = [
    ['until the first try', spent.decideMs],
    ['earlier tries', spent.earlierMs],
    ['backing off', spent.backoffMs],
    ['connection', spent.connectMs],
    ['of it TLS', spent.connectMs < 0 ? -1 : spent.tlsMs],
    ['waiting for the response', spent.upstreamMs],
    ['its rest', spent.responseMs],
    ['own code at the end', spent.ownMs],
  ];
  return parts
    .filter(([name, value]) => value > 0 || (value === 0 && name === 'waiting for the response'))
    .map(([name, value]) => `${name} ${ms(value)}`)
    .join(', ');
}

function ms(value: number): string {
  if (value >= 10_000) return humaneDuration(value);
  return `${value >= 100 ? Math.round(value) : Math.round(value * 100) / 100}ms`;
}

function round(value: number): string {
  return String(Math.round(value * 100) / 100);
}

/** On one line, whatever a peer put into it. */
function clean(text: string): string {
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, ' ');
}
