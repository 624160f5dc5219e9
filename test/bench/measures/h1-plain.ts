import { takeCpuRounds } from './cpu-rounds.ts';
import type { Measure } from './measure.ts';

export const h1Plain: Measure = {
  name: 'h1-plain',
  what: 'HTTP/1.1 to HTTP/1.1 through one proxy, 32 connections: CPU per request',
  byDefault: true,
  takesWidth: true,
  async take(context) {
    const taken = await takeCpuRounds(context, 'one', 32, ['weft', 'haproxy', 'nginx', 'envoy', 'nghttpx', 'node']);
    return [
      {
        ...taken,
        name: 'h1-plain',
        unit: 'us/request',
        limits: [
          { kind: 'ratio', against: ['haproxy', 'nginx'], must: 1.9, goal: 1.5 },
          { kind: 'ratio', against: ['envoy'], must: 0.5, goal: 0.42 },
        ],
      },
    ];
  },
};
