import { useEffect, useState } from 'preact/hooks';
import { followDocument } from './document-feed.ts';

/** A document of the API as it is now. What was seen last stays while nobody answers, and says so. */
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
  const [seen, setSeen] = useState<{ readonly address: string; readonly live: Live<T> }>({ address, live: NOTHING });
  useEffect(() => {
    if (address === '') return undefined;
    return followDocument<T>(address, {
      read: (value) => setSeen({ address, live: { value, trouble: '', status: 0, seenAtMs: Date.now() } }),
      // What it holds is what was seen, and is seen again.
      same: () =>
        setSeen((before) =>
          before.live.trouble === ''
            ? before
            : { address, live: { ...before.live, trouble: '', status: 0, seenAtMs: Date.now() } },
        ),
      failed: (trouble, status) =>
        setSeen((before) => ({
          address,
          live: { ...(before.address === address ? before.live : NOTHING), trouble, status },
        })),
    });
  }, [address]);
  // What another address said is not shown under this one.
  return seen.address === address ? seen.live : NOTHING;
}
