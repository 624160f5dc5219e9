import { deepEqual, equal, ok } from 'node:assert/strict';
import { describe, test } from 'node:test';
import { metricsContentType, pickMetricsFormat } from './metrics-format.ts';
import { writeMetrics } from './metrics-text.ts';
import { SeriesTable } from './series-table.ts';

function sampleTable(): SeriesTable {
  const table = new SeriesTable({ maxSeries: 100 });
  const requests = table.counter({ name: 'r_total', help: 'Say "hi" \\ \nthere', labels: ['code'] });
  requests.resolve(['200']).add(3);
  requests.resolve(['4"4']).add(1);
  const durations = table.latencyHistogram({ name: 'd_seconds', help: 'D.', unit: 'seconds', labels: ['x'] });
  const duration = durations.resolve(['y']);
  for (const ms of [0.4, 1, 7, 1_500, 90_000]) duration.observeMs(ms);
  table.read('info', { name: 'b_info', help: 'B.', labels: ['version'] }, (emit) => emit(['1'], 1));
  table.read('gauge', { name: 'g', help: 'G.', labels: ['v'] }, (emit) => {
    emit(['inf'], Infinity);
    emit(['nan'], Number.NaN);
    emit(['neg'], -Infinity);
    emit(['small'], 1e-9);
  });
  return table;
}

const write = (format: 'openmetrics' | 'prometheus'): string =>
  [...writeMetrics(sampleTable().snapshot(), format)].join('');

describe('writeMetrics', () => {
  test('writes OpenMetrics: families without suffix, units, escaped help, floats as bounds, an end', () => {
    const lines = write('openmetrics').split('\n');
    deepEqual(lines.slice(0, 3), ['# TYPE b info', '# HELP b B.', 'b_info{version="1"} 1']);
    deepEqual(lines.slice(3, 6), ['# TYPE d_seconds histogram', '# UNIT d_seconds seconds', '# HELP d_seconds D.']);
    deepEqual(lines.slice(6, 25), [
      'd_seconds_bucket{x="y",le="0.0005"} 1',
      'd_seconds_bucket{x="y",le="0.001"} 2',
      'd_seconds_bucket{x="y",le="0.0025"} 2',
      'd_seconds_bucket{x="y",le="0.005"} 2',
      'd_seconds_bucket{x="y",le="0.01"} 3',
      'd_seconds_bucket{x="y",le="0.025"} 3',
      'd_seconds_bucket{x="y",le="0.05"} 3',
      'd_seconds_bucket{x="y",le="0.1"} 3',
      'd_seconds_bucket{x="y",le="0.25"} 3',
      'd_seconds_bucket{x="y",le="0.5"} 3',
      'd_seconds_bucket{x="y",le="1.0"} 3',
      'd_seconds_bucket{x="y",le="2.5"} 4',
      'd_seconds_bucket{x="y",le="5.0"} 4',
      'd_seconds_bucket{x="y",le="10.0"} 4',
      'd_seconds_bucket{x="y",le="30.0"} 4',
      'd_seconds_bucket{x="y",le="60.0"} 4',
      'd_seconds_bucket{x="y",le="+Inf"} 5',
      'd_seconds_sum{x="y"} 91.5084',
      'd_seconds_count{x="y"} 5',
    ]);
    ok(lines.includes('# TYPE r counter'));
    ok(lines.includes('# HELP r Say \\"hi\\" \\\\ \\nthere'));
    ok(lines.includes('r_total{code="4\\"4"} 1'));
    ok(lines.includes('g{v="inf"} +Inf') && lines.includes('g{v="neg"} -Inf') && lines.includes('g{v="nan"} NaN'));
    deepEqual(lines.slice(-2), ['# EOF', '']);
  });

  test('writes the older text: names with their suffix, info as gauge, no units, no end mark', () => {
    const text = write('prometheus');
    ok(text.includes('# HELP r_total Say "hi" \\\\ \\nthere\n# TYPE r_total counter\n'));
    ok(text.includes('# TYPE b_info gauge\n'));
    ok(text.includes('le="1"} 3\n'));
    ok(!text.includes('# UNIT') && !text.includes('# EOF'));
  });

  test('the last sampled request of a bucket stands behind it in OpenMetrics, and in nothing older', () => {
    const table = new SeriesTable();
    const durations = table.latencyHistogram({ name: 'd_seconds', help: 'D.', unit: 'seconds', labels: ['x'] });
    const duration = durations.resolve(['y']);
    for (const [ms, trace, wallMs] of [
      [7, 'a', 1_700_000_000_000],
      [8, 'b', 1_700_000_001_500],
      [90_000, 'c', 1_700_000_002_000],
    ] as const) {
      duration.observeMs(ms);
      duration.keepExemplar(ms, trace.repeat(32), wallMs);
    }
    durations.resolve(['z']).observeMs(7);
    const lines = [...writeMetrics(table.snapshot(), 'openmetrics')].join('').split('\n');
    deepEqual(
      lines.filter((line) => line.includes('#') && line.includes('bucket')),
      [
        `d_seconds_bucket{x="y",le="0.01"} 2 # {trace_id="${'b'.repeat(32)}"} 0.008 1700000001.500`,
        `d_seconds_bucket{x="y",le="+Inf"} 3 # {trace_id="${'c'.repeat(32)}"} 90 1700000002.000`,
      ],
    );
    ok(![...writeMetrics(table.snapshot(), 'prometheus')].join('').includes('trace_id'));
  });

  test('a large table comes in slices that end with a line and are the snapshot, not what came after it', () => {
    const table = new SeriesTable({ maxSeries: 10_000 });
    const durations = table.latencyHistogram({ name: 'd_seconds', help: 'D.', unit: 'seconds', labels: ['x'] });
    for (let index = 0; index < 2_000; index += 1) durations.resolve([`${index}`]).observeMs(5);
    const slices: string[] = [];
    for (const slice of writeMetrics(table.snapshot(), 'openmetrics')) {
      slices.push(slice);
      durations.resolve(['1999']).observeMs(5);
    }
    ok(slices.length > 20);
    ok(slices.every((slice) => slice.length < 40_000 && slice.endsWith('\n')));
    const lines = slices.join('').split('\n');
    equal(lines.filter((line) => line.startsWith('d_seconds_bucket')).length, 2_000 * 17);
    ok(lines.includes('d_seconds_count{x="1999"} 1'));
  });
});

describe('pickMetricsFormat', () => {
  test('gives each scraper what it asks for', () => {
    const cases: readonly (readonly [string | undefined, string])[] = [
      [undefined, 'prometheus'],
      ['*/*', 'prometheus'],
      ['text/html', 'prometheus'],
      ['application/openmetrics-text', 'openmetrics'],
      ['application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5', 'openmetrics'],
      ['application/openmetrics-text;version=1.0.0;q=0.4,text/plain;version=0.0.4;q=0.5', 'prometheus'],
      ['application/openmetrics-text;version=9.0.0;q=0.9, text/plain;q=0.1', 'prometheus'],
      ['application/openmetrics-text;q=0', 'prometheus'],
      ['application/openmetrics-text;q=x', 'prometheus'],
      [
        'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2',
        'openmetrics',
      ],
    ];
    for (const [accept, format] of cases) equal(pickMetricsFormat(accept), format, String(accept));
    ok(metricsContentType.openmetrics.startsWith('application/openmetrics-text; version=1.0.0'));
  });
});
