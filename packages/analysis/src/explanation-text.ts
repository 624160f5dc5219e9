import type { BackendRecord, PassedOverRecord } from '@weft/decision';
import { writeDuration } from '@weft/kernel';
import type { ApplicationProtocol, RequestTimeouts, RetryPolicy, RouteMatch, ValueMatch } from '@weft/model';
import { terminations } from '@weft/outcome';
import type { BackendEdits, Explanation, FieldEdit } from './explanation.ts';

/** Which object said a value, by its path in a policy; empty when nobody asked. */
export type Sources = Readonly<Record<string, string>>;

/** More of them help nobody; all are in the record. */
const MOST_PASSED_OVER = 20;
const MOST_ENDPOINTS = 8;

/**
 * An explanation for a person: what happens first, then where it goes, then why not elsewhere. Lines are at most a screen
 * wide where names allow it; nothing in it can break a line. Ends with a line break.
 */
export function explanationText(explanation: Explanation, sources: Sources = {}): string {
  const { request, caller, way, record, match } = explanation;
  const from = caller.gateway === '' ? `workloads of namespace ${caller.namespace}` : `Gateway ${caller.gateway}`;
  const lines = [`${request.method} ${request.scheme}://${request.authority}${request.target} from ${from}`, ''];
  const say = (label: string, text: string): void => void lines.push(`  ${label.padEnd(12)}${text}`);
  if (way.kind === 'destination') say('destination', `${way.destination} (${protocolName(way.protocol)})`);
  if (way.kind === 'listener') say('listener', `${way.listener}${way.hostname && ` (${way.hostname})`}`);
  if (way.kind === 'outside') {
    say('destination', `${way.host}:${way.port}, outside the mesh: plaintext, no retries, no policy`);
  }
  if (way.kind === 'refused') sayRefusal(way.code, way.detail, say);
  if (record !== undefined) {
    if (record.winner === undefined) say('rule', 'none matches');
    else {
      const { route, rule, match: index } = record.winner;
      say('rule', `${route}, rule ${rule}, match ${index}`);
      if (match !== undefined) say('matched by', matchText(match));
    }
    sayOutcome(explanation, say);
    if (record.outcome === 'draw') sayPolicy(explanation, sources, say);
    if (record.backends.length > 0) lines.push('', ...backendLines(record.backends, explanation.edits));
    lines.push(...passedOverLines(record.passedOver, record.passedOverCount, record.winner === undefined));
  }
  return `${lines.map(onOneLine).join('\n')}\n`;
}

/** `PathPrefix /orders, GET, header x-version = 2, query page ~ [0-9]+`. */
export function matchText({ path, method, headers, queries, grpc }: RouteMatch): string {
  const place =
    grpc === null
      ? `${path.type} ${path.value}`
      : `gRPC ${grpc.type === 'Exact' ? '' : '~ '}${grpc.service || '*'}/${grpc.method || '*'}`;
  const value = (word: string, { type, name, value: expected }: ValueMatch): string =>
    `${word} ${name} ${type === 'Exact' ? '=' : '~'} ${expected}`;
  return [
    place,
    ...(method === '' ? [] : [method]),
    ...headers.map((header) => value('header', header)),
    ...queries.map((query) => value('query', query)),
  ].join(', ');
}

/** `up to 2 more on NeverSent, GatewayError, 503`; `off`. */
export function retriesText(retries: RetryPolicy): string {
  if (retries.attempts === 0) return 'off';
  const statuses = retries.statuses.map(({ from, to }) => (from === to ? String(from) : `${from}-${to}`));
  const grpc = retries.grpcStatuses.map((status) => `gRPC ${status}`);
  return `up to ${retries.attempts} more on ${[...retries.on, ...statuses, ...grpc].join(', ') || 'nothing'}`;
}

function protocolName(protocol: ApplicationProtocol): string {
  return { Http1: 'HTTP/1.1', Http2: 'HTTP/2', Grpc: 'gRPC', Tcp: 'TCP', Unknown: 'protocol not declared' }[protocol];
}

/** `40.0 %`, without the digit where it says nothing. */
function shareText(share: number): string {
  const percent = share * 100;
  return `${Number.isInteger(percent) ? percent : percent.toFixed(1)} %`;
}

type Say = (label: string, text: string) => void;

function sayOutcome({ record, status, cors }: Explanation, say: Say): void {
  if (record === undefined) return;
  if (record.outcome === 'refuse') sayRefusal(record.code, record.detail, say);
  else if (record.outcome === 'reply') {
    const where = record.location === '' ? '' : ` to ${record.location}`;
    say('outcome', `answered with ${status}${where} (${record.code}); no backend sees it`);
  } else {
    const open = record.backends.filter(({ weight }) => weight > 0);
    say('outcome', open.length === 1 ? 'forwarded' : `forwarded to one of ${open.length}, drawn by weight`);
  }
  if (cors) say('cors', 'answers are marked for the origins that may read them');
}

function sayRefusal(code: keyof typeof terminations, detail: string, say: Say): void {
  const { httpStatus, text } = terminations[code];
  say('outcome', `refused with ${httpStatus} (${code}): ${text}`);
  if (detail !== '') say('because', detail);
}

function sayPolicy({ record, retriesAfterSend, request }: Explanation, sources: Sources, say: Say): void {
  const { timeouts, retries } = record ?? {};
  if (timeouts === undefined || retries === undefined) return;
  const of = (path: string): string => (sources[path] === undefined ? '' : ` (${sources[path]})`);
  const named: readonly [keyof RequestTimeouts, string, string][] = [
    ['requestMs', 'request', 'timeouts.request'],
    ['backendRequestMs', 'each try', 'timeouts.backendRequest'],
    ['connectMs', 'connect', 'timeouts.connect'],
    ['streamIdleMs', 'idle', 'timeouts.streamIdle'],
  ];
  for (const [index, [field, name, path]] of named.entries()) {
    const value = timeouts[field] === 0 ? 'none' : writeDuration(timeouts[field]);
    say(index === 0 ? 'timeouts' : '', `${name} ${value}${of(path)}`);
  }
  const limits =
    retries.attempts === 0
      ? ''
      : `; at most ${retries.budget.percent} % of requests${retriesAfterSend ? '' : `; once sent, ${request.method} is not tried again`}`;
  say('retries', `${retriesText(retries)}${limits}${of('retries')}`);
}

function backendLines(backends: readonly BackendRecord[], edits: readonly BackendEdits[]): string[] {
  const lines: string[] = [];
  const width = Math.max(...backends.map(({ backend }) => (backend || 'unresolved').length));
  for (const [index, { backend, share, refused, target, state, endpointCount }] of backends.entries()) {
    const what = refused === undefined ? target : `refused with ${terminations[refused].httpStatus} (${refused})`;
    lines.push(`  ${shareText(share).padStart(7)}  ${(backend || 'unresolved').padEnd(width)}  ${what}`);
    lines.push(...editLines(edits[index]));
    if (state === undefined) continue;
    if (endpointCount === 0) lines.push(`${INDENT}no endpoint: its share is refused with 503 (no-endpoint)`);
    for (const endpoint of state.endpoints.slice(0, MOST_ENDPOINTS)) {
      lines.push(`${INDENT}${endpoint.key}`);
    }
    if (endpointCount > MOST_ENDPOINTS) lines.push(`${INDENT}and ${endpointCount - MOST_ENDPOINTS} more endpoints`);
    const { breaker } = state;
    if (breaker.state === 'open' || breaker.state === 'half-open') lines.push(`${INDENT}breaker ${breaker.state}`);
  }
  return lines;
}

const INDENT = ' '.repeat(11);

function editLines(edits: BackendEdits | undefined): string[] {
  if (edits === undefined) return [];
  const text = ({ edit, name, value }: FieldEdit): string =>
    edit === 'remove' ? `remove ${name}` : `${edit} ${name}: ${value}`;
  return [
    ...(edits.host === '' ? [] : [`host: ${edits.host}`]),
    ...edits.requestEdits.map((edit) => `request: ${text(edit)}`),
    ...edits.responseEdits.map((edit) => `response: ${text(edit)}`),
    ...edits.mirrors.map(({ backend, share }) => `copy of ${shareText(share)} to ${backend || 'nothing: unresolved'}`),
  ].map((line) => INDENT + line);
}

function passedOverLines(passedOver: readonly PassedOverRecord[], count: number, unmatched: boolean): string[] {
  if (count === 0) return [];
  const shown = unmatched ? passedOver : passedOver.slice(0, MOST_PASSED_OVER);
  const lines = ['', `  passed over (${count})`];
  for (const { route, rule, match, path, ...reason } of shown) {
    lines.push(`    ${route} rule ${rule} match ${match}: ${path}`, `      ${reasonText(reason)}`);
  }
  if (count > shown.length) lines.push(`    and ${count - shown.length} more`);
  return lines;
}

/** `header x-version: expected 2, the request has none`. */
function reasonText({
  field,
  name,
  expected,
  actual,
}: Pick<PassedOverRecord, 'field' | 'name' | 'expected' | 'actual'>): string {
  if (field === 'precedence') return `matches too, but the rule above wins by ${name || 'order'}`;
  const what = field === 'header' || field === 'query' ? `${field} ${name}` : field;
  const had = actual === undefined ? 'none' : actual === '' ? 'an empty one' : actual;
  return `${what}: expected ${expected}, the request has ${had}`;
}

function onOneLine(text: string): string {
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, ' ').trimEnd();
}
