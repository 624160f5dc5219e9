import {
  ConnectionMetrics,
  type MetricDefinition,
  type MetricType,
  RequestMetrics,
  TcpMetrics,
  SeriesTable,
  registerProxyFacts,
} from '@weft/telemetry';

interface Registered {
  readonly type: MetricType;
  readonly definition: MetricDefinition;
}

/** The metrics of a proxy as a Markdown table, by name. */
export function metricTable(): string {
  const registered: Registered[] = [];
  const table = recordingTable(registered);
  // Made for what they register.
  void new RequestMetrics(table);
  void new TcpMetrics(table);
  void new ConnectionMetrics(table);
  // Sources are asked at a scrape only, and nothing is scraped here.
  const never = (): never => {
    throw new Error('nothing is scraped while the page is made');
  };
  registerProxyFacts(table, {
    callers: never,
    pools: never,
    breakers: never,
    endpoints: never,
    certificates: never,
    configuration: never,
    control: never,
    loop: never,
    process: never,
    log: never,
  });
  const rows = registered
    .toSorted((a, b) => (a.definition.name < b.definition.name ? -1 : 1))
    .map(({ type, definition: { name, labels, help } }) => {
      const labelText = labels.length === 0 ? '-' : labels.map((label) => `\`${label}\``).join(', ');
      return `| \`${name}\` | ${type} | ${labelText} | ${help.replaceAll('|', '\\|')} |`;
    });
  return ['| metric | type | labels | meaning |', '| --- | --- | --- | --- |', ...rows, ''].join('\n');
}

/**
 * A table that tells what is registered in it: labels can't be read from a snapshot that has no series. `registered` is
 * captured rather than a field, because the table registers metrics of its own while it is constructed.
 */
function recordingTable(registered: Registered[]): SeriesTable {
  class RecordingTable extends SeriesTable {
    override counter(definition: MetricDefinition): ReturnType<SeriesTable['counter']> {
      registered.push({ type: 'counter', definition });
      return super.counter(definition);
    }

    override gauge(definition: MetricDefinition): ReturnType<SeriesTable['gauge']> {
      registered.push({ type: 'gauge', definition });
      return super.gauge(definition);
    }

    override latencyHistogram(definition: MetricDefinition): ReturnType<SeriesTable['latencyHistogram']> {
      registered.push({ type: 'histogram', definition });
      return super.latencyHistogram(definition);
    }

    override read(...parameters: Parameters<SeriesTable['read']>): ReturnType<SeriesTable['read']> {
      registered.push({ type: parameters[0], definition: parameters[1] });
      return super.read(...parameters);
    }
  }
  return new RecordingTable();
}
