/** Which rows of a long table are near what is seen. */
export interface RowWindow {
  readonly from: number;
  /** One past the last. */
  readonly to: number;
}

export interface SeenRows {
  readonly rows: number;
  readonly rowHeight: number;
  /** Of the first row, from the upper edge of what is seen; negative above it. */
  readonly top: number;
  /** Of what is seen. */
  readonly height: number;
}

/** Rows beyond the edges, so that a turn of the wheel shows rows and the key goes to the next link. */
const BEYOND = 10;
/** Windows begin and end at multiples of it: not each pixel is a new one. */
const STEP = 10;

/** Never empty while there are rows. */
export function rowWindow({ rows, rowHeight, top, height }: SeenRows): RowWindow {
  const first = Math.floor(-top / rowHeight) - BEYOND;
  const last = Math.ceil((height - top) / rowHeight) + BEYOND;
  const from = Math.floor(first / STEP) * STEP;
  const to = Math.ceil(last / STEP) * STEP;
  const least = Math.min(rows, BEYOND);
  return { from: Math.max(0, Math.min(from, rows - least)), to: Math.min(rows, Math.max(to, least)) };
}
