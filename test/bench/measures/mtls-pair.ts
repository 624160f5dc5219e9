import { takeCpuRounds } from './cpu-rounds.ts';
import type { Measure } from './measure.ts';

export const mtlsPair: Measure = {
  name: 'mtls-pair',
  what: 'two sidecars with mutual TLS between them, 32 connections: CPU per request, sum of both',
  byDefault: true,
  takesWidth: true,
  async take(context) {
    const taken = await takeCpuRounds(context, 'pair', 32, ['weft', 'haproxy', 'nginx', 'envoy', 'node']);
    return [
      {
        ...taken,
        name: 'mtls-pair',
        unit: 'us/request',
        limits: [
          { kind: 'ratio', against: ['haproxy'], must: 2, goal: 1.6 },
          { kind: 'ratio', against: ['envoy'], must: 0.65, goal: 0.5 },
        ],
      },
    ];
  },
};

export const mtlsPairHttp2: Measure = {
  name: 'mtls-pair-h2',
  what: "the same, beside the better leg of Envoy's, HTTP/1.1 or HTTP/2",
  byDefault: true,
  takesWidth: true,
  async take(context) {
    const names = ['weft', 'haproxy', 'envoy'] as const;
    const taken = await takeCpuRounds(context, 'pair', 32, names, {
      bothLegs: ['envoy'],
      notedLegs: ['haproxy'],
    });
    return [
      {
        ...taken,
        name: 'mtls-pair-h2',
        unit: 'us/request',
        limits: [
          { kind: 'ratio', against: ['haproxy'], must: 1.1, goal: 0.85 },
          { kind: 'ratio', against: ['envoy'], must: 0.5, goal: 0.4 },
        ],
      },
    ];
  },
};
