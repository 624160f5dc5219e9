import { type IncomingMessage, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import { type Result, bracketedHost, fail, ok } from '@weft/kernel';

const TUNNEL_MS = 15_000;

/** Where a tunnel leads: `new URL(server)`, or these fields of it. */
export type TunnelEnd = Pick<URL, 'protocol' | 'hostname' | 'port'>;

/**
 * Opens a way through an HTTP proxy (CONNECT, RFC 9110, section 9.3.6) to a server. `done` is called once, with the socket or with one
 * line for a person.
 */
export function openTunnel(proxy: string, end: TunnelEnd, done: (opened: Result<Socket, string>) => void): void {
  const target = `${bracketedHost(end.hostname)}:${portOf(end)}`;
  const { protocol, hostname, port, username, password, host } = new URL(proxy);
  const secret = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const send = protocol === 'https:' ? httpsRequest : httpRequest;
  const request = send({
    method: 'CONNECT',
    hostname: hostname.replace(/^\[|\]$/g, ''),
    port: portOf({ protocol, port }),
    path: target,
    agent: false,
    timeout: TUNNEL_MS,
    headers: {
      host: target,
      ...(username === '' ? {} : { 'proxy-authorization': `Basic ${Buffer.from(secret).toString('base64')}` }),
    },
  });
  let isDone = false;
  const finish = (opened: Result<Socket, string>): void => {
    if (!isDone) done(opened);
    isDone = true;
  };
  const refuse = (statusCode: number | undefined): void =>
    finish(fail(`the proxy ${host} refuses the way to ${target} with ${statusCode}`));
  request.once('connect', ({ statusCode }: IncomingMessage, socket: Socket, early: Buffer) => {
    if (statusCode === undefined || statusCode < 200 || statusCode > 299) {
      socket.destroy();
      refuse(statusCode);
      return;
    }
    socket.setTimeout(0);
    if (early.length > 0) socket.unshift(early);
    finish(ok(socket));
  });
  // It answers as if it were asked for a page.
  request.once('response', (response: IncomingMessage) => {
    response.destroy();
    refuse(response.statusCode);
  });
  request.once('timeout', () => request.destroy(new Error(`no answer within ${TUNNEL_MS / 1_000} s`)));
  request.on('error', (error) => finish(fail(`the proxy ${host}: ${error.message}`)));
  request.end();
}

function portOf({ protocol, port }: Pick<URL, 'protocol' | 'port'>): string {
  if (port !== '') return port;
  return protocol === 'https:' ? '443' : '80';
}
