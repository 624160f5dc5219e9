import { freePorts } from '@weft/testkit';
import { findProgram, versionLine } from '../workbench.ts';
import type { Subject } from './subject.ts';

/** One worker, no logs; it stands beside the others where there is no TLS. */
export const nghttpx: Subject = {
  name: 'nghttpx',
  absent(role) {
    if (role !== 'plain') return 'takes part in plain HTTP only';
    return findProgram('nghttpx') === undefined ? 'not on the PATH (Debian: nghttp2-proxy)' : undefined;
  },
  version: () => versionLine('nghttpx', ['--version']),
  async start({ workbench, upstreamPort, application = 'http1' }) {
    if (application === 'tcp') throw new Error('carries HTTP only');
    const [port] = (await freePorts(1)) as [number];
    const running = workbench.start({
      command: findProgram('nghttpx') ?? 'nghttpx',
      args: [
        '--conf=/dev/null',
        '--workers=1',
        '--single-process',
        `--frontend=127.0.0.1,${port};no-tls`,
        `--backend=127.0.0.1,${upstreamPort}${application === 'http2' ? ';;proto=h2' : ''}`,
        '--accesslog-file=/dev/null',
        '--log-level=ERROR',
        '--frontend-read-timeout=3600',
        '--frontend-keep-alive-timeout=3600',
        '--backend-keep-alive-timeout=3600',
      ],
      processor: 'subject',
    });
    await workbench.untilListening(running, port);
    return { port, groups: [running.pid], startedMs: running.startedMs, stop: () => running.stop() };
  },
};
