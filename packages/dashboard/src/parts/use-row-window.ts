import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { type RowWindow, rowWindow } from './row-window.ts';

export interface WindowedRows extends RowWindow {
  readonly body: { current: HTMLTableSectionElement | null };
  /** In CSS pixels, of a usual row; for the room of those that are left out. */
  readonly rowHeight: number;
}

/** Fewer rows are all there. */
const FEW_ROWS = 40;
const FIRST_GUESS_PX = 30;

/** Follows what is seen of a table with `rows` rows, so that the others need not be there. */
export function useRowWindow(rows: number): WindowedRows {
  const body = useRef<HTMLTableSectionElement>(null);
  const [seen, setSeen] = useState<RowWindow & { readonly rowHeight: number }>({
    from: 0,
    to: FEW_ROWS,
    rowHeight: FIRST_GUESS_PX,
  });
  const isLong = rows > FEW_ROWS;
  useLayoutEffect(() => {
    if (!isLong) return undefined;
    let frame = 0;
    const look = (): void => {
      frame = 0;
      const { current } = body;
      if (current === null) return;
      const row = current.querySelector('tr:not([aria-hidden])');
      const rowHeight = Math.max(1, row?.getBoundingClientRect().height ?? FIRST_GUESS_PX);
      const { top } = current.getBoundingClientRect();
      const next = { ...rowWindow({ rows, rowHeight, top, height: window.innerHeight }), rowHeight };
      setSeen((old) => (old.from === next.from && old.to === next.to && old.rowHeight === rowHeight ? old : next));
    };
    const ask = (): void => {
      if (frame === 0) frame = requestAnimationFrame(look);
    };
    ask();
    window.addEventListener('scroll', ask, { passive: true });
    window.addEventListener('resize', ask);
    return () => {
      cancelAnimationFrame(frame);
      window.removeEventListener('scroll', ask);
      window.removeEventListener('resize', ask);
    };
  }, [rows, isLong]);
  if (!isLong) return { body, from: 0, to: rows, rowHeight: 0 };
  return { body, from: Math.min(seen.from, rows), to: Math.min(seen.to, rows), rowHeight: seen.rowHeight };
}
