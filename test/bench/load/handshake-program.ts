/** Run by handshake-driver.ts. */
import { readFileSync } from 'node:fs';
import { connect, createSecureContext } from 'node:tls';
import type { ConnectionOptions } from 'node:tls';
import { answerLines } from '../line-program.ts';
import type { HandshakeCommand, HandshakeReply } from './handshake-driver.ts';
import { ReplyReader } from './reply-reader.ts';

const MOST_MS = 5_000;

async function run(command: HandshakeCommand): Promise<HandshakeReply> {
  const { port, host, lanes, seconds, root, certificate, key, protocols, resume } = command;
  const request = Buffer.from(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  const options: ConnectionOptions = {
    port,
    host: '127.0.0.1',
    servername: 'edge.bench.test',
    ALPNProtocols: [...protocols],
    // Made once: what the client pays for it is not the proxy's.
    secureContext: createSecureContext({
      ca: readFileSync(root),
      ...(certificate === undefined || key === undefined
        ? {}
        : { cert: readFileSync(certificate), key: readFileSync(key) }),
      minVersion: 'TLSv1.3',
      ecdhCurve: 'X25519',
    }),
    // Names are not what is measured; the chain is checked.
    checkServerIdentity: () => undefined,
  };
  let session: Buffer | undefined;
  const once = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const reader = new ReplyReader();
      const socket = connect(session === undefined ? options : { ...options, session });
      const asked = session !== undefined;
      let done = false;
      const finish = (error?: Error): void => {
        if (done) return;
        done = true;
        clearTimeout(timer);
        socket.destroy();
        if (error === undefined) resolve();
        else reject(error);
      };
      const timer = setTimeout(() => finish(new Error('no reply in 5 s')), MOST_MS);
      socket.once('secureConnect', () => socket.write(request));
      // The first is kept for all that follow.
      socket.on('session', (fresh: Buffer) => void (resume && (session ??= fresh)));
      socket.on('data', (bytes: Buffer) => {
        if (!reader.feed(bytes)) return;
        if (reader.status !== 200) finish(new Error(`status ${reader.status}`));
        else if (socket.isSessionReused() !== asked) finish(new Error(asked ? 'not resumed' : 'resumed unasked'));
        else finish();
      });
      socket.once('error', finish);
      socket.once('close', () => finish(new Error('closed by the proxy')));
    });
  // The session, and whatever the first connection of a proxy costs.
  await once();
  if (resume && session === undefined) throw new Error('the proxy gave no session to resume');
  let completed = 0;
  let errors = 0;
  let lastError = '';
  const startMs = performance.now();
  const endMs = startMs + seconds * 1_000;
  const lane = async (): Promise<void> => {
    while (performance.now() < endMs) {
      try {
        await once();
        completed += 1;
      } catch (error) {
        errors += 1;
        lastError = error instanceof Error ? error.message : String(error);
      }
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return { completed, errors, lastError, seconds: (performance.now() - startMs) / 1_000 };
}

await answerLines(run);
