import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { clock } from '../format.ts';

export interface ChartLine {
  readonly name: string;
  readonly values: readonly (number | null)[];
  /** Name of a colour of the style sheet, without `--`. */
  readonly colour: string;
  readonly isFilled?: boolean;
}

export interface TimeChartProps {
  readonly title: string;
  readonly startMs: number;
  readonly stepMs: number;
  readonly lines: readonly ChartLine[];
  readonly format: (value: number | null) => string;
  /** Changes with the theme, so that colours are read anew. */
  readonly theme: string;
}

const HEIGHT = 132;

/** Lines over time. A gap is where nobody told; the legend has the newest figures, or those under the pointer. */
export function TimeChart({ title, startMs, stepMs, lines, format, theme }: TimeChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const legend = useRef<HTMLDListElement>(null);
  const names = lines.map(({ name }) => name).join('|');

  useEffect(() => {
    const { current } = place;
    if (current === null) return undefined;
    const plot = new uPlot(optionsOf(current, lines, format, legend), dataOf(startMs, stepMs, lines), current);
    chart.current = plot;
    const resize = new ResizeObserver(() => plot.setSize({ width: current.clientWidth, height: HEIGHT }));
    resize.observe(current);
    return () => {
      resize.disconnect();
      plot.destroy();
      chart.current = null;
    };
    // The data has an effect of its own.
  }, [names, theme]);

  useEffect(() => {
    chart.current?.setData(dataOf(startMs, stepMs, lines));
    tell(legend.current, lines, lines.map(newest), format);
  }, [startMs, lines]);

  const told = lines.map((line) => `${line.name} ${format(newest(line))}`).join(', ');
  return (
    <figure class="chart">
      <figcaption>
        <span>{title}</span>
        <dl ref={legend} aria-hidden="true">
          {lines.map(({ name, colour }) => (
            <div key={name}>
              <dt class={`ink-${colour}`}>{name}</dt>
              <dd />
            </div>
          ))}
        </dl>
      </figcaption>
      <div ref={place} class="plot" role="img" aria-label={`${title}, newest: ${told}`} />
    </figure>
  );
}

/** The last figure that is known. */
function newest({ values }: ChartLine): number | null {
  return values.findLast((value) => value !== null) ?? null;
}

function dataOf(startMs: number, stepMs: number, lines: readonly ChartLine[]): uPlot.AlignedData {
  const steps = lines[0]?.values.length ?? 0;
  const times = Array.from({ length: steps }, (_, index) => (startMs + index * stepMs) / 1_000);
  return [times, ...lines.map(({ values }) => [...values])];
}

function tell(
  legend: HTMLElement | null,
  lines: readonly ChartLine[],
  values: readonly (number | null)[],
  format: (value: number | null) => string,
): void {
  legend?.querySelectorAll('dd').forEach((dd, index) => {
    if (index < lines.length) dd.textContent = format(values[index] ?? null);
  });
}

function optionsOf(
  place: HTMLElement,
  lines: readonly ChartLine[],
  format: (value: number | null) => string,
  legend: { readonly current: HTMLElement | null },
): uPlot.Options {
  const style = getComputedStyle(place);
  const colour = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  const font = '11px ui-sans-serif, system-ui, sans-serif';
  const axis = {
    stroke: colour('soft'),
    font,
    grid: { stroke: colour('line'), width: 1 },
    ticks: { show: false },
  };
  return {
    width: place.clientWidth,
    height: HEIGHT,
    padding: [8, 6, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 }, sync: { key: 'weft' } },
    scales: { y: { range: (_plot, _low, high) => [0, Math.max((high ?? 0) * 1.15, 1)] } },
    axes: [
      { ...axis, size: 22, space: 70, values: (_plot, times) => times.map((time) => clock(time * 1_000).slice(0, 5)) },
      {
        ...axis,
        size: 56,
        space: 32,
        values: (_plot, values) => values.map((value) => (value === 0 ? '0' : format(value))),
      },
    ],
    series: [
      {},
      ...lines.map(({ name, colour: ink, isFilled }) => ({
        label: name,
        stroke: colour(ink),
        width: 1.5,
        points: { show: false },
        spanGaps: false,
        ...(isFilled === true ? { fill: `color-mix(in srgb, ${colour(ink)} 14%, transparent)` } : {}),
      })),
    ],
    hooks: {
      setCursor: [
        (plot) => {
          const at = plot.cursor.idx;
          const values = lines.map((line, index) => {
            const row = plot.data[index + 1] as (number | null)[] | undefined;
            return typeof at === 'number' ? (row?.[at] ?? null) : newest({ ...line, values: row ?? [] });
          });
          tell(legend.current, lines, values, format);
        },
      ],
    },
  };
}
