import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe } from 'node:diagnostics_channel';
import type { ClientRequest, IncomingMessage } from 'node:http';

/** What an application hands on, so that its calls belong to the request they are made for. Lower-case names. */
export const carriedHeaders = [
  'traceparent',
  'tracestate',
  'b3',
  'x-b3-traceid',
  'x-b3-spanid',
  'x-b3-parentspanid',
  'x-b3-sampled',
  'x-b3-flags',
  'x-amzn-trace-id',
  'x-request-id',
  'baggage',
] as const;

type Carried = readonly (readonly [name: string, value: string])[];

/** A request of undici (and so of `fetch`), as its channel `undici:request:create` shows it. */
interface UndiciRequest {
  readonly headers: readonly unknown[] | string;
  addHeader(name: string, value: string): unknown;
}

const storage = new AsyncLocalStorage<Carried>();
let isStarted = false;

/**
 * From now on each request that is made by `node:http`, `node:https`, `fetch` or undici while another is being answered carries
 * the trace headers of that one. A header that the application has set itself stays. Called twice it does nothing more.
 *
 * It listens on Node's own diagnostics channels and changes no function of the application.
 */
export function carryTraces(): void {
  if (isStarted) return;
  isStarted = true;
  subscribe('http.server.request.start', (message) => {
    const { request } = message as { request: IncomingMessage };
    // The channel is heard within the asynchronous context of this request, and the listeners of the server after it.
    storage.enterWith(read(request));
  });
  subscribe('http.client.request.created', (message) => {
    const { request } = message as { request: ClientRequest };
    for (const [name, value] of storage.getStore() ?? []) {
      if (!request.headersSent && !request.hasHeader(name)) request.setHeader(name, value);
    }
  });
  subscribe('undici:request:create', (message) => {
    const { request } = message as { request: UndiciRequest };
    const carried = storage.getStore();
    if (carried === undefined || carried.length === 0) return;
    const present = namesOf(request.headers);
    for (const [name, value] of carried) if (!present.has(name)) request.addHeader(name, value);
  });
}

/** The trace headers of the request that is being answered here; for clients that no channel tells of. */
export function carriedTrace(): Readonly<Record<string, string>> {
  return Object.fromEntries(storage.getStore() ?? []);
}

/** Answers `work` outside of any request: what it starts belongs to none. For jobs that a request only begins. */
export function outsideOfTraces<T>(work: () => T): T {
  return storage.run([], work);
}

function read(request: IncomingMessage): Carried {
  const carried: [string, string][] = [];
  for (const name of carriedHeaders) {
    const value = request.headers[name];
    if (typeof value === 'string') carried.push([name, value]);
  }
  return carried;
}

/** Undici keeps names and values in turn, or as lines of one text. */
function namesOf(headers: readonly unknown[] | string): Set<string> {
  const names = new Set<string>();
  if (typeof headers === 'string') {
    for (const line of headers.split('\r\n')) names.add(line.slice(0, Math.max(0, line.indexOf(':'))).toLowerCase());
  } else {
    for (let index = 0; index < headers.length; index += 2) names.add(String(headers[index]).toLowerCase());
  }
  return names;
}
