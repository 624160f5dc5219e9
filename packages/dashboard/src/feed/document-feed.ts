import { accessToken } from './access-token.ts';
import { faultOf } from './event-stream.ts';

export interface DocumentHandler<T> {
  read(value: T): void;
  /** As it was. */
  same(): void;
  failed(reason: string, status: number): void;
}

const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 8_000;
const PATIENCE_MS = 20_000;

/**
 * Asks for a document again and again, as often as the control plane says is worth it, and not while nobody looks at the
 * tab. The returned function ends it.
 */
export function followDocument<T>(address: string, handler: DocumentHandler<T>): () => void {
  const ended = new AbortController();
  let tag = '';
  let faults = 0;
  let timer = 0;
  let isAsking = false;
  const ask = async (): Promise<void> => {
    if (isAsking || ended.signal.aborted) return;
    isAsking = true;
    let waitMs = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** faults);
    try {
      const response = await fetch(address, {
        headers: { authorization: `Bearer ${accessToken()}`, ...(tag === '' ? {} : { 'if-none-match': tag }) },
        signal: AbortSignal.any([ended.signal, AbortSignal.timeout(PATIENCE_MS)]),
        cache: 'no-store',
      });
      if (response.ok || response.status === 304) {
        faults = 0;
        waitMs = Math.max(500, Number(response.headers.get('weft-refresh-ms') ?? FIRST_WAIT_MS));
        if (response.status === 304) handler.same();
        else {
          handler.read((await response.json()) as T);
          tag = response.headers.get('etag') ?? '';
        }
      } else {
        faults += 1;
        handler.failed(await faultOf(response), response.status);
        // A wrong token stays wrong.
        if (response.status === 401) return;
      }
    } catch {
      if (ended.signal.aborted) return;
      faults += 1;
      handler.failed('the control plane does not answer', 0);
    } finally {
      isAsking = false;
    }
    if (!document.hidden && !ended.signal.aborted) timer = window.setTimeout(() => void ask(), waitMs);
  };
  const look = (): void => {
    window.clearTimeout(timer);
    if (!document.hidden) void ask();
  };
  document.addEventListener('visibilitychange', look);
  void ask();
  return () => {
    ended.abort();
    window.clearTimeout(timer);
    document.removeEventListener('visibilitychange', look);
  };
}
