import type { ComponentChildren } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { nameOrder } from '../format.ts';
import { useRowWindow } from './use-row-window.ts';

export interface Column<R> {
  readonly name: string;
  readonly cell: (row: R) => ComponentChildren;
  /** What it is sorted by; without one it isn't. Null comes last either way. */
  readonly by?: (row: R) => string | number | null;
  readonly isNumber?: boolean;
  /** Left out where there is little room. */
  readonly isMinor?: boolean;
}

export interface TableProps<R> {
  /** For readers of the screen. */
  readonly caption: string;
  readonly columns: readonly Column<R>[];
  readonly rows: readonly R[];
  readonly rowKey: (row: R) => string;
  /** Column that is sorted by at first, `-` before it: largest first; as given without one. */
  readonly sortedBy?: string;
  /** Said in place of no rows. */
  readonly empty: ComponentChildren;
  readonly most?: number;
}

/**
 * A table that sorts by its headings. Shows at most `most` rows until asked for all; of many rows only those near what is seen
 * are elements of the page.
 */
export function Table<R>({ caption, columns, rows, rowKey, sortedBy = '', empty, most = 200 }: TableProps<R>) {
  const [sort, setSort] = useState(sortedBy);
  const [isWhole, setWhole] = useState(false);
  const isFalling = sort.startsWith('-');
  const sorted = useMemo(
    () => sortRows(rows, columns.find(({ name }) => name === sort.replace(/^-/, ''))?.by, isFalling),
    [rows, columns, sort],
  );
  const shown = isWhole ? sorted : sorted.slice(0, most);
  const { body, from, to, rowHeight } = useRowWindow(shown.length);
  if (rows.length === 0) return <p class="empty">{empty}</p>;
  const isPart = from > 0 || to < shown.length;
  const press = ({ name, isNumber }: Column<R>): void => {
    if (sort.replace(/^-/, '') !== name) setSort(isNumber === true ? `-${name}` : name);
    else setSort(isFalling ? name : `-${name}`);
  };
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={caption}>
      <table aria-rowcount={isPart ? shown.length + 1 : undefined}>
        <caption class="unseen">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => {
              const isSorted = sort.replace(/^-/, '') === column.name;
              return (
                <th
                  key={column.name}
                  scope="col"
                  class={classOf(column)}
                  aria-sort={isSorted ? (isFalling ? 'descending' : 'ascending') : undefined}
                >
                  {column.by === undefined ? (
                    column.name
                  ) : (
                    <button type="button" onClick={() => press(column)}>
                      {column.name}
                      <span aria-hidden="true">{isSorted ? (isFalling ? ' ↓' : ' ↑') : ''}</span>
                    </button>
                  )}
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody ref={body}>
          {isPart ? <Widths columns={columns} rows={shown} /> : null}
          {from > 0 ? <Left height={from * rowHeight} /> : null}
          {shown.slice(from, to).map((row, index) => (
            <tr key={rowKey(row)} aria-rowindex={isPart ? from + index + 2 : undefined}>
              {columns.map((column) => (
                <td key={column.name} class={classOf(column)}>
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
          {to < shown.length ? <Left height={(shown.length - to) * rowHeight} /> : null}
        </tbody>
      </table>
      {shown.length < sorted.length ? (
        <button type="button" class="more" onClick={() => setWhole(true)}>
          Show all {sorted.length}
        </button>
      ) : null}
    </div>
  );
}

/** The room of rows that are left out. */
function Left({ height }: { readonly height: number }) {
  return (
    <tr aria-hidden="true" class="left">
      <td style={{ height: `${height}px` }} />
    </tr>
  );
}

/** A row that is not seen, of the longest word of each column: columns stay as wide whatever rows are there. */
function Widths<R>({ columns, rows }: { readonly columns: readonly Column<R>[]; readonly rows: readonly R[] }) {
  const cells = useMemo(() => {
    const longest = columns.map(({ by, isNumber }) => {
      if (by === undefined || isNumber === true) return rows[0];
      const lengthOf = (row: R): number => String(by(row) ?? '').length;
      return rows.reduce((best, row) => (lengthOf(row) > lengthOf(best) ? row : best));
    });
    return columns.map((column, index) => (
      <td key={column.name} class={classOf(column)}>
        {longest[index] === undefined ? null : column.cell(longest[index])}
      </td>
    ));
  }, [columns, rows.length]);
  return (
    <tr aria-hidden="true" class="widths">
      {cells}
    </tr>
  );
}

/** Sorted by a key, stably; rows without one last. */
export function sortRows<R>(rows: readonly R[], by: Column<R>['by'], isFalling: boolean): readonly R[] {
  if (by === undefined) return rows;
  const sign = isFalling ? -1 : 1;
  return rows.toSorted((left, right) => {
    const a = by(left);
    const b = by(right);
    if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
    if (typeof a === 'number' && typeof b === 'number') return (a - b) * sign;
    return nameOrder.compare(String(a), String(b)) * sign;
  });
}

function classOf<R>({ isNumber, isMinor }: Column<R>): string | undefined {
  const names = [isNumber === true ? 'number' : '', isMinor === true ? 'minor' : ''].filter((name) => name !== '');
  return names.length === 0 ? undefined : names.join(' ');
}
