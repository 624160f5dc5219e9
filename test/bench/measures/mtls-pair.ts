import { takeCpuRounds } from './cpu-rounds.ts';
import type { Measure } from './measure.ts';

export const mtlsPair: Measure = {
  name: 'mtls-pair',
  what: 'two sidecars with mutual TLS between them, 32 connections: CPU per request, sum of both',
  byDefault: true,
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
