import { Buffer } from 'node:buffer';
import { request } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http';

export interface MeshRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly signal?: AbortSignal;
}

/**
 * Sends a request through a proxy on loopback. `explicit`: in absolute form, as programs do that honour `http_proxy`;
 * otherwise in origin form, as a browser does at a gateway. One connection for each request, so that nothing stays open.
 */
export function meshFetch(port: number, url: string, explicit: boolean, init: MeshRequest): Promise<Response> {
  const target = new URL(url);
  const body = init.body === undefined ? null : Buffer.from(init.body);
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        host: '127.0.0.1',
        port,
        method: init.method ?? 'GET',
        path: explicit ? url : `${target.pathname}${target.search}`,
        headers: {
          ...init.headers,
          host: target.host,
          ...(body === null ? {} : { 'content-length': String(body.length) }),
        },
        agent: false,
        ...(init.signal === undefined ? {} : { signal: init.signal }),
      },
      (incoming) => {
        const parts: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => parts.push(chunk));
        incoming.on('error', reject);
        incoming.on('end', () => {
          const status = incoming.statusCode ?? 0;
          // The Response of the platform takes no body, not even an empty one, with these.
          const bodiless = status === 204 || status === 205 || status === 304;
          resolve(
            new Response(bodiless ? null : Buffer.concat(parts), {
              status,
              statusText: incoming.statusMessage ?? '',
              headers: readHeaders(incoming.headers),
            }),
          );
        });
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body ?? undefined);
  });
}

function readHeaders(received: IncomingHttpHeaders): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(received)) {
    for (const one of Array.isArray(value) ? value : [value ?? '']) headers.append(name, one);
  }
  return headers;
}
