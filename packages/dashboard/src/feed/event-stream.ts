import { accessToken } from './access-token.ts';
import { EventReader, type StreamEvent } from './event-reader.ts';

export interface StreamHandler {
  event(event: StreamEvent): void;
  /** Not open any more, with the reason. */
  closed(reason: string): void;
}

/** Reads an address of the API as server-sent events. By fetch, since the token goes in a header. The returned function ends it. */
export function openStream(address: string, handler: StreamHandler): () => void {
  const ended = new AbortController();
  const run = async (): Promise<void> => {
    let reason = 'the control plane has ended the stream';
    try {
      const response = await fetch(address, {
        headers: { authorization: `Bearer ${accessToken()}`, accept: 'text/event-stream' },
        signal: ended.signal,
        cache: 'no-store',
      });
      if (!response.ok || response.body === null) reason = await faultOf(response);
      else {
        const reader = new EventReader();
        const decoder = new TextDecoder();
        for (const chunks = response.body.getReader(); ;) {
          const { done, value } = await chunks.read();
          if (done) break;
          for (const event of reader.feed(decoder.decode(value, { stream: true }))) handler.event(event);
        }
      }
    } catch {
      reason = 'the control plane does not answer';
    }
    if (!ended.signal.aborted) handler.closed(reason);
  };
  void run();
  return () => ended.abort();
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

/** The line for people in an answer that is a refusal. */
export async function faultOf(response: Response): Promise<string> {
  try {
    const { error } = (await response.json()) as { readonly error?: unknown };
    if (typeof error === 'string' && error !== '') return error;
  } catch {
    // Not from the control plane: something stands before it.
  }
  return `the answer was ${response.status}`;
}
