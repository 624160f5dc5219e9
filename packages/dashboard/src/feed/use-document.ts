import { useEffect, useState } from 'preact/hooks';
import { openStream } from './event-stream.ts';

/** A document of the API as it is now. What was seen last stays while the stream is down, and says so. */
export interface Live<T> {
  readonly value: T | undefined;
  /** Why it is not live; empty when it is. */
  readonly trouble: string;
  /** HTTP status of the refusal; 0: nobody answered, or all is well. */
  readonly status: number;
  readonly seenAtMs: number;
}

const NOTHING: Live<never> = { value: undefined, trouble: '', status: 0, seenAtMs: 0 };

/** Follows a document; an empty address follows nothing. */
export function useDocument<T>(address: string): Live<T> {
  const [live, setLive] = useState<{ readonly address: string; readonly live: Live<T> }>({ address, live: NOTHING });
  useEffect(() => {
    if (address === '') return undefined;
    return openStream(address, {
      event: ({ event, data }) => {
        if (event === 'document') {
          const value = JSON.parse(data) as T;
          setLive({ address, live: { value, trouble: '', status: 0, seenAtMs: Date.now() } });
        } else if (event === 'fault') {
          const { error } = JSON.parse(data) as { readonly error: string };
          setLive((before) => ({ address, live: { ...kept(before, address), trouble: error, status: 404 } }));
        }
      },
      closed: (reason, status) =>
        setLive((before) => ({ address, live: { ...kept(before, address), trouble: reason, status } })),
    });
  }, [address]);
  // What another address said is not shown under this one.
  return live.address === address ? live.live : NOTHING;
}

function kept<T>(before: { readonly address: string; readonly live: Live<T> }, address: string): Live<T> {
  return before.address === address ? before.live : NOTHING;
}
