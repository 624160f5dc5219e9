import { Buffer } from 'node:buffer';
import { openApplication } from '../transport/application-door.ts';
import type { ApplicationDoor } from '../transport/application-door.ts';

/** More is no scrape but a mistake, and is held here until it is whole. */
const MOST_BYTES = 16 * 1024 * 1024;
/** Scrapes are given up after 10 s by default; what is ours is to arrive all the same. */
const TIMEOUT_MS = 5_000;
/** Both parts are in one format: of two, OpenMetrics would end where the other part begins. */
const accept = 'text/plain; version=0.0.4; charset=utf-8';

/**
 * The metrics of the application in Prometheus' text format, read by `door` from `path`, with a line that says whether they
 * could be read. Never rejects: without the application's metrics a scrape still has ours.
 */
export async function readApplicationMetrics(door: ApplicationDoor, path: string): Promise<string> {
  const text = await fetchText(door, path);
  const up = `# HELP weft_application_metrics_up Whether the metrics of the application could be read.\n# TYPE weft_application_metrics_up gauge\nweft_application_metrics_up ${text === undefined ? 0 : 1}\n`;
  if (text === undefined) return up;
  const body = text.replaceAll(/^# EOF\r?$\n?/gm, '');
  return `${up}${body}${body === '' || body.endsWith('\n') ? '' : '\n'}`;
}

/** Ours, then theirs. Facts of a process that both have are the application's: whoever scrapes a pod means it. */
export function* mergeMetrics(ours: Iterable<string>, theirs: string): Generator<string> {
  for (const part of ours) yield part.replaceAll(/^(?:# [A-Z]+ )?process_.*\n/gm, '');
  yield theirs;
}

async function fetchText(door: ApplicationDoor, path: string): Promise<string | undefined> {
  const socket = await openApplication(door, TIMEOUT_MS).catch(() => undefined);
  if (socket === undefined) return undefined;
  return new Promise((resolve) => {
    const { request } = process.getBuiltinModule('node:http');
    const headers = { accept, 'user-agent': 'weft' };
    const host = socket.remoteAddress ?? '';
    const at = { host, port: door.port, path, headers, createConnection: () => socket };
    const sent = request(at, (response) => {
      const chunks: Buffer[] = [];
      let length = 0;
      response.on('data', (chunk: Buffer) => {
        length += chunk.length;
        if (length > MOST_BYTES) sent.destroy(new Error('too large'));
        else chunks.push(chunk);
      });
      response.on('error', () => resolve(undefined));
      response.on('end', () => {
        resolve(response.statusCode === 200 ? Buffer.concat(chunks).toString('utf8') : undefined);
      });
    });
    sent.setTimeout(TIMEOUT_MS, () => sent.destroy(new Error('late')));
    sent.on('error', () => resolve(undefined));
    sent.end();
  });
}
