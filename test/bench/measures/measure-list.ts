import { apply } from './apply.ts';
import { connections } from './connections.ts';
import { floods } from './floods.ts';
import { garbage } from './garbage.ts';
import { grpcStream } from './grpc-stream.ts';
import { h1Plain } from './h1-plain.ts';
import { h2With1, h2With16 } from './h2.ts';
import { handshake, resume } from './handshake.ts';
import { idle } from './idle.ts';
import { latency1k } from './latency-1k.ts';
import type { Measure } from './measure.ts';
import { mixed, mixedTcp, mixedTcpPlain } from './mixed.ts';
import { mtlsPair, mtlsPairHttp2 } from './mtls-pair.ts';
import { push } from './push.ts';
import { replay } from './replay.ts';
import { scrape } from './scrape.ts';
import { soak } from './soak.ts';
import { streams } from './streams.ts';
import { syscalls } from './syscalls.ts';
import { tcp, tcpWithMtls } from './tcp.ts';
import { telemetryCost } from './telemetry-cost.ts';

/** In the order of the default run. */
export const measures: readonly Measure[] = [
  h1Plain,
  mtlsPair,
  latency1k,
  idle,
  connections,
  apply,
  push,
  syscalls,
  garbage,
  h2With16,
  h2With1,
  mtlsPairHttp2,
  grpcStream,
  tcp,
  tcpWithMtls,
  handshake,
  resume,
  mixed,
  mixedTcp,
  mixedTcpPlain,
  streams,
  floods,
  telemetryCost,
  scrape,
  replay,
  soak,
];
