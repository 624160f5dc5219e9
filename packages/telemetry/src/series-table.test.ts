import { deepEqual, equal, ok, throws } from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type MetricFamily, type MetricsSnapshot, mergeSnapshots } from './metrics-snapshot.ts';
import { SeriesTable } from './series-table.ts';

function family(snapshot: MetricsSnapshot, name: string): MetricFamily {
  const found = snapshot.families.find((candidate) => candidate.name === name);
  ok(found, `${name} is in the snapshot`);
  return found;
}

function samples(snapshot: MetricsSnapshot, name: string): Record<string, number> {
  const { labels, values } = family(snapshot, name);
  return Object.fromEntries(labels.map((text, index) => [text, values[index]!]));
}

describe('SeriesTable', () => {
  test('the same labels are the same series, and a handle goes on counting when thousands are added after it', () => {
    const table = new SeriesTable({ maxSeries: 10_000 });
    const requests = table.counter({ name: 'a_total', help: 'A.', labels: ['x', 'y'] });
    const first = requests.resolve(['1', '2']);
    for (let index = 0; index < 4_000; index += 1) requests.resolve([`${index}`, 'z']).add(1);
    first.add(2);
    equal(requests.resolve(['1', '2']), first);
    const values = samples(table.snapshot(), 'a_total');
    equal(values['x="1",y="2"'], 2);
    equal(values['x="3999",y="z"'], 1);
    equal(Object.keys(values).length, 4_001);
  });

  test('a million label sets leave a table as large as its budget, counted as other', () => {
    const table = new SeriesTable({ maxSeries: 100 });
    const hosts = table.counter({ name: 'hosts_total', help: 'H.', labels: ['host', 'code'] });
    for (let index = 0; index < 1_000_000; index += 1) hosts.resolve([`h${index}`, '200']).add(1);
    const snapshot = table.snapshot();
    const values = samples(snapshot, 'hosts_total');
    equal(Object.keys(values).length, 51);
    equal(values['host="other",code="other"'], 999_950);
    equal(
      Object.values(values).reduce((sum, value) => sum + value, 0),
      1_000_000,
    );
    deepEqual(samples(snapshot, 'weft_metric_series_folded_total'), { 'metric="hosts_total"': 999_950 });
    equal(samples(snapshot, 'weft_metric_series')[''], 50);
  });

  test('one metric out of hand leaves room for another, and both together keep to the budget', () => {
    const table = new SeriesTable({ maxSeries: 10 });
    const wild = table.counter({ name: 'wild_total', help: 'W.', labels: ['x'] });
    const calm = table.gauge({ name: 'calm', help: 'C.', labels: ['x'] });
    const bare = table.counter({ name: 'bare_total', help: 'B.', labels: [] });
    for (let index = 0; index < 50; index += 1) wild.resolve([`${index}`]);
    for (let index = 0; index < 50; index += 1) calm.resolve([`${index}`]);
    const snapshot = table.snapshot();
    equal(family(snapshot, 'wild_total').labels.length, 6);
    equal(family(snapshot, 'calm').labels.length, 6);
    equal(table.series, 10);
    bare.resolve([]).add(1);
    equal(samples(table.snapshot(), 'bare_total')[''], 1);
  });

  test('the order of a snapshot depends on names, not on who came first', () => {
    const make = (reversed: boolean): MetricsSnapshot => {
      const table = new SeriesTable();
      const names = ['b_total', 'a_total', 'c_total'];
      for (const name of reversed ? names.toReversed() : names) {
        const counter = table.counter({ name, help: 'H.', labels: ['x'] });
        for (const value of reversed ? ['2', '1'] : ['1', '2']) counter.resolve([value]).add(Number(value));
      }
      return table.snapshot();
    };
    deepEqual(make(false), make(true));
  });

  test('label values are escaped, bounded, and cannot be made to collide', () => {
    const table = new SeriesTable();
    const counter = table.counter({ name: 'a_total', help: 'A.', labels: ['x', 'y'] });
    counter.resolve(['a",y="b', 'c']).add(1);
    counter.resolve(['a', 'b",y="c']).add(2);
    counter.resolve(['back\\slash\n', '\ud800']).add(3);
    counter.resolve(['l'.repeat(5_000), '']).add(4);
    const values = samples(table.snapshot(), 'a_total');
    equal(values['x="a\\",y=\\"b",y="c"'], 1);
    equal(values['x="a",y="b\\",y=\\"c"'], 2);
    equal(values['x="back\\\\slash\\n",y="\ufffd"'], 3);
    equal(values[`x="${'l'.repeat(320)}",y=""`], 4);
  });

  test('a callback is asked at each scrape, folds past its budget, and its failure costs its own metric only', () => {
    const table = new SeriesTable();
    let open = 1;
    let breaks = false;
    table.read('gauge', { name: 'pool_open', help: 'P.', labels: ['x'], maxSeries: 2 }, (emit) => {
      if (breaks) throw new Error('gone');
      for (const name of ['a', 'b', 'c', 'd']) emit([name], open);
    });
    deepEqual(samples(table.snapshot(), 'pool_open'), { 'x="a"': 1, 'x="b"': 1, 'x="other"': 2 });
    open = 5;
    equal(samples(table.snapshot(), 'pool_open')['x="a"'], 5);
    breaks = true;
    const snapshot = table.snapshot();
    deepEqual(samples(snapshot, 'pool_open'), {});
    deepEqual(samples(snapshot, 'weft_metric_read_failures_total'), { 'metric="pool_open"': 1 });
  });

  test('a definition that no scraper would take is a broken invariant', () => {
    const table = new SeriesTable();
    throws(() => table.counter({ name: 'a', help: '', labels: [] }), /_total/);
    throws(() => table.gauge({ name: 'a_total', help: '', labels: [] }), /_total/);
    throws(() => table.gauge({ name: 'A', help: '', labels: [] }), /lower-case/);
    throws(() => table.gauge({ name: 'a', help: '', labels: ['le'] }), /label names/);
    throws(() => table.latencyHistogram({ name: 'a', unit: 'seconds', help: '', labels: [] }), /unit/);
    table.gauge({ name: 'a', help: '', labels: [] });
    throws(() => table.gauge({ name: 'a', help: '', labels: [] }), /once/);
    const counter = table.counter({ name: 'b_total', help: '', labels: ['x'] });
    throws(() => counter.resolve([]), /a value for each label/);
  });
});

describe('mergeSnapshots', () => {
  test('adds the series of workers, takes the earliest or largest where a sum has no meaning', () => {
    const worker = (step: number): MetricsSnapshot => {
      const table = new SeriesTable();
      const shared = table.counter({ name: 'a_total', help: 'A.', labels: ['x'] });
      shared.resolve(['shared']).add(step);
      shared.resolve([`own${step}`]).add(10 * step);
      table
        .latencyHistogram({ name: 'd_seconds', unit: 'seconds', help: 'D.', labels: [] })
        .resolve([])
        .observeMs(step);
      table.read('gauge', { name: 'low', help: 'L.', labels: [], merge: 'min' }, (emit) => emit([], -step));
      table.read('gauge', { name: 'high', help: 'H.', labels: [], merge: 'max' }, (emit) => emit([], -step));
      return table.snapshot();
    };
    const merged = mergeSnapshots([worker(1), worker(2), worker(3)]);
    deepEqual(samples(merged, 'a_total'), { 'x="own1"': 10, 'x="own2"': 20, 'x="own3"': 30, 'x="shared"': 6 });
    equal(samples(merged, 'low')[''], -3);
    equal(samples(merged, 'high')[''], -1);
    const { values, width } = family(merged, 'd_seconds');
    equal(values[width - 1], 0.006);
    equal(
      values.slice(0, width - 1).reduce((sum, count) => sum + count, 0),
      3,
    );
    deepEqual(merged, mergeSnapshots([worker(3), worker(1), worker(2)]));
  });

  test('adds native buckets, and keeps the newest exemplar of each bucket', () => {
    const worker = (name: string, wallMs: number): MetricsSnapshot => {
      const table = new SeriesTable();
      const durations = table.latencyHistogram({ name: 'd_seconds', unit: 'seconds', help: 'D.', labels: ['x'] });
      for (const label of ['shared', name]) {
        durations.resolve([label]).observeMs(3);
        durations.resolve([label]).keepExemplar(3, name, wallMs);
      }
      return table.snapshot();
    };
    const merged = mergeSnapshots([worker('b', 2), worker('a', 1)]);
    const { labels, native, exemplars } = family(merged, 'd_seconds');
    deepEqual(labels, ['x="a"', 'x="b"', 'x="shared"']);
    deepEqual(
      exemplars.map(({ series, traceId }) => `${labels[series]} ${traceId}`),
      ['x="a" a', 'x="b" b', 'x="shared" b'],
    );
    equal(
      native?.counts.reduce((sum, count) => sum + count, 0),
      4,
    );
    deepEqual(merged, mergeSnapshots([worker('a', 1), worker('b', 2)]));
  });
});
