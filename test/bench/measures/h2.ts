import { takeCpuRounds } from './cpu-rounds.ts';
import type { Measure } from './measure.ts';

const http2 = { application: 'http2' } as const;

export const h2With16: Measure = {
  name: 'h2-16',
  what: 'HTTP/2 through one proxy, 8 connections of 16 streams: CPU per request',
  byDefault: true,
  takesWidth: true,
  async take(context) {
    const names = ['weft', 'haproxy', 'envoy', 'nghttpx', 'node'] as const;
    const taken = await takeCpuRounds(context, 'one', 8, names, { spoken: http2, streams: 16 });
    return [
      {
        ...taken,
        name: 'h2-16',
        unit: 'us/request',
        limits: [
          { kind: 'ratio', against: ['haproxy'], must: 2.2, goal: 1.6 },
          { kind: 'ratio', against: ['envoy'], must: 0.5, goal: 0.4 },
          { kind: 'ratio', against: ['node'], must: 0.35, goal: 0.25 },
        ],
      },
    ];
  },
};

export const h2With1: Measure = {
  name: 'h2-1',
  what: 'HTTP/2 through one proxy, 32 connections of one stream: CPU per request',
  byDefault: true,
  takesWidth: true,
  async take(context) {
    const taken = await takeCpuRounds(context, 'one', 32, ['weft', 'haproxy', 'envoy', 'nghttpx', 'node'], {
      spoken: http2,
    });
    return [
      {
        ...taken,
        name: 'h2-1',
        unit: 'us/request',
        limits: [
          { kind: 'ratio', against: ['haproxy'], must: 2, goal: 1.4 },
          { kind: 'ratio', against: ['envoy'], must: 0.55, goal: 0.42 },
        ],
      },
    ];
  },
};
