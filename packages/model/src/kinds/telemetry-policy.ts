import { readLogFilter } from '../telemetry/log-filter.ts';
import {
  type ValueOf,
  choice,
  flag,
  integer,
  labels,
  list,
  object,
  optional,
  required,
  text,
} from './field-vocabulary.ts';
import { allowedTargets, checkTargets, targetRefs } from './policy-target.ts';

const MAX_NUMBER = 1_000_000_000;

const fraction = (what: string) =>
  object(
    {
      numerator: required(integer(0, MAX_NUMBER), `Of denominator ${what}, so many.`),
      denominator: optional(integer(1, MAX_NUMBER), 'Of so many.', '100'),
    },
    (value, report) => {
      if (value.numerator > (value.denominator ?? 100)) {
        report(['numerator'], 'out-of-range', { message: 'numerator is above denominator' });
      }
    },
    {
      cel: 'self.numerator <= (has(self.denominator) ? self.denominator : 100)',
      message: 'numerator is above denominator',
      fieldPath: '.numerator',
    },
  );

const accessLog = object(
  {
    when: optional(choice(['Never', 'Errors', 'Always']), 'Which requests get a line.', 'that of the proxy: Errors'),
    format: optional(
      choice(['Json', 'Ecs', 'Otel']),
      "Names of the fields: ours, the Elastic Common Schema's or OpenTelemetry's.",
      'Json',
    ),
    filter: optional(
      text(1_024),
      'Only requests for which it is true, such as status >= 500 || duration > 250ms.',
      'all',
    ),
    fraction: optional(fraction('lines'), 'Share of the lines that are written; failures are always written.', 'all'),
    query: optional(
      choice(['Redact', 'Keep']),
      'Whether lines show what stands after the ? of a path, where secrets travel.',
      'Redact',
    ),
  },
  (value, report) => {
    const read = value.filter === undefined ? undefined : readLogFilter(value.filter);
    if (read?.ok === false) report(['filter'], 'bad-value', { message: 'not a filter', expected: read.error });
  },
);

const traces = object({
  fraction: optional(fraction('traces'), 'Share of the traces that begin here which are sampled.', 'that of the proxy'),
  parentBased: optional(flag(), 'Whether the decision of a trace that came in holds.', 'true'),
  maxPerSecond: optional(integer(0, 1_000_000), 'Most traces begun in a second by one proxy; 0 is no limit.', '0'),
  keepErrors: optional(flag(), 'Whether failed requests are exported though their trace is not sampled.', 'false'),
  propagation: optional(
    list(choice(['W3C', 'B3', 'B3Multi', 'XRay']), 4, { min: 1, uniqueBy: '' }),
    'Headers that carry the trace: read in this order, all written.',
    '[W3C]',
  ),
});

const metrics = object({
  maxSeries: optional(integer(100, 1_000_000), 'Label sets a proxy holds; more are folded into other.', '5000'),
  names: optional(
    choice(['Weft', 'OpenTelemetry']),
    "Names of the durations of requests: ours, or those of OpenTelemetry's conventions.",
    'Weft',
  ),
  without: optional(
    list(choice(['route', 'rule', 'source'], ['method']), 4, { uniqueBy: '' }),
    'Labels that metrics of requests do without; they are empty then.',
    '[]',
  ),
});

export const telemetryFields = {
  accessLog: optional(accessLog, 'Lines about requests; merged leaf by leaf.'),
  traces: optional(traces, 'Spans of requests; merged leaf by leaf.'),
  metrics: optional(metrics, 'Metrics of requests; merged leaf by leaf.'),
};

export const telemetrySchema = object(telemetryFields);

/** `TelemetryPolicy`: what proxies tell of the requests of a namespace, a workload or a route. */
export const telemetryPolicySpecSchema = object(
  {
    selector: optional(
      object({ matchLabels: required(labels(), 'Labels of the workloads.') }),
      'Workloads of this namespace. Neither selector nor targetRefs: all of it.',
    ),
    targetRefs: targetRefs(),
    ...telemetryFields,
  },
  (spec, report) => {
    if (spec.selector !== undefined && spec.targetRefs !== undefined) {
      report(['selector'], 'conflicting-fields', {
        message: 'selector and targetRefs are both set',
        expected: 'one of them',
      });
    }
    if (spec.selector !== undefined && Object.keys(spec.selector.matchLabels).length === 0) {
      const fix = 'Remove selector to mean the whole namespace.';
      report(['selector', 'matchLabels'], 'missing-field', { message: 'no labels', expected: 'at least one', fix });
    }
    checkTargets(spec.targetRefs, ['HTTPRoute', 'GRPCRoute'], report);
    for (const [index, { sectionName }] of (spec.targetRefs ?? []).entries()) {
      if (sectionName === undefined) continue;
      report(['targetRefs', index, 'sectionName'], 'conflicting-fields', {
        message: 'telemetry is decided for a whole route',
        fix: 'Remove sectionName.',
      });
    }
    if (spec.targetRefs !== undefined && spec.metrics !== undefined) {
      report(['metrics'], 'conflicting-fields', {
        message: 'metrics are settings of a whole proxy and have no effect on a route',
        fix: 'Select workloads, or the namespace.',
      });
    }
  },
  {
    cel: '!has(self.selector) || !has(self.targetRefs)',
    message: 'selector and targetRefs are both set; expected one of them',
    fieldPath: '.selector',
  },
  {
    cel: '!has(self.selector) || size(self.selector.matchLabels) > 0',
    message: 'no labels; remove selector to mean the whole namespace',
    fieldPath: '.selector.matchLabels',
  },
  allowedTargets(['HTTPRoute', 'GRPCRoute']),
  {
    cel: '!has(self.targetRefs) || self.targetRefs.all(ref, !has(ref.sectionName) && !has(ref.namespace))',
    message: "a whole route of the policy's own namespace is targeted; remove namespace and sectionName",
    fieldPath: '.targetRefs',
  },
  {
    cel: '!has(self.targetRefs) || !has(self.metrics)',
    message: 'metrics are settings of a whole proxy and have no effect on a route',
    fieldPath: '.metrics',
  },
);

export type TelemetrySpec = ValueOf<typeof telemetrySchema>;
export type TelemetryPolicySpec = ValueOf<typeof telemetryPolicySpecSchema>;
