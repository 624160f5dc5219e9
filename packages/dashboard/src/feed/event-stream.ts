import { accessToken } from './access-token.ts';
import { EventReader, type StreamEvent } from './event-reader.ts';

export interface StreamHandler {
  event(event: StreamEvent): void;
  /** Not open, with the reason; `isFinal` when trying again is of no use. */
  closed(reason: string, status: number, isFinal: boolean): void;
}

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8_000;

/**
 * Reads an address of the API as server-sent events, and connects again when the stream ends. By fetch, since the token
 * goes in a header. The returned function ends it.
 */
export function openStream(address: string, handler: StreamHandler, isKept = true): () => void {
  const ended = new AbortController();
  let waitMs = FIRST_WAIT_MS;
  let timer = 0;
  const run = async (): Promise<void> => {
    let reason = 'the control plane has ended the stream';
    let status = 0;
    try {
      const response = await fetch(address, {
        headers: { authorization: `Bearer ${accessToken()}`, accept: 'text/event-stream' },
        signal: ended.signal,
        cache: 'no-store',
      });
      status = response.status;
      if (!response.ok || response.body === null) reason = await faultOf(response);
      else {
        const reader = new EventReader();
        const decoder = new TextDecoder();
        for (const chunks = response.body.getReader(); ;) {
          const { done, value } = await chunks.read();
          if (done) break;
          waitMs = FIRST_WAIT_MS;
          for (const event of reader.feed(decoder.decode(value, { stream: true }))) handler.event(event);
        }
      }
    } catch {
      reason = 'the control plane does not answer';
    }
    if (ended.signal.aborted) return;
    const isFinal = !isKept || (status >= 400 && status < 500 && status !== 429);
    handler.closed(reason, status, isFinal);
    if (isFinal) return;
    timer = window.setTimeout(() => void run(), waitMs);
    waitMs = Math.min(LONGEST_WAIT_MS, waitMs * 2);
  };
  void run();
  return () => {
    ended.abort();
    window.clearTimeout(timer);
  };
}

/** One document, once. Throws an `Error` with a line for people. */
export async function readOnce<T>(address: string, signal: AbortSignal): Promise<T> {
  const response = await fetch(address, {
    headers: { authorization: `Bearer ${accessToken()}` },
    signal,
    cache: 'no-store',
  });
  if (!response.ok) throw new Error(await faultOf(response));
  return (await response.json()) as T;
}

async function faultOf(response: Response): Promise<string> {
  try {
    const { error } = (await response.json()) as { readonly error?: unknown };
    if (typeof error === 'string' && error !== '') return error;
  } catch {
    // Not from the control plane: something stands before it.
  }
  return `the answer was ${response.status}`;
}
