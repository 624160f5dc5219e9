import { useEffect, useState } from 'preact/hooks';

/** The time, told again every `everyMs`. */
export function useNow(everyMs = 1_000): number {
  const [nowMs, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = window.setInterval(() => setNow(Date.now()), everyMs);
    return () => window.clearInterval(timer);
  }, [everyMs]);
  return nowMs;
}
