import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';

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

/** A table that sorts by its headings. Shows at most `most` rows until asked for all. */
export function Table<R>({ caption, columns, rows, rowKey, sortedBy = '', empty, most = 200 }: TableProps<R>) {
  const [sort, setSort] = useState(sortedBy);
  const [isWhole, setWhole] = useState(false);
  if (rows.length === 0) return <p class="empty">{empty}</p>;
  const isFalling = sort.startsWith('-');
  const sorted = sortRows(rows, columns.find(({ name }) => name === sort.replace(/^-/, ''))?.by, isFalling);
  const shown = isWhole ? sorted : sorted.slice(0, most);
  const press = ({ name, isNumber }: Column<R>): void => {
    if (sort.replace(/^-/, '') !== name) setSort(isNumber === true ? `-${name}` : name);
    else setSort(isFalling ? name : `-${name}`);
  };
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={caption}>
      <table>
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
        <tbody>
          {shown.map((row) => (
            <tr key={rowKey(row)}>
              {columns.map((column) => (
                <td key={column.name} class={classOf(column)}>
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
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

/** Sorted by a key, stably; rows without one last. */
export function sortRows<R>(rows: readonly R[], by: Column<R>['by'], isFalling: boolean): readonly R[] {
  if (by === undefined) return rows;
  const sign = isFalling ? -1 : 1;
  return rows.toSorted((left, right) => {
    const a = by(left);
    const b = by(right);
    if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
    if (typeof a === 'number' && typeof b === 'number') return (a - b) * sign;
    return String(a).localeCompare(String(b), 'en', { numeric: true }) * sign;
  });
}

function classOf<R>({ isNumber, isMinor }: Column<R>): string | undefined {
  const names = [isNumber === true ? 'number' : '', isMinor === true ? 'minor' : ''].filter((name) => name !== '');
  return names.length === 0 ? undefined : names.join(' ');
}
