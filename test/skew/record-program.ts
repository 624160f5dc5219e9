/**
 * Loaded by `--import` before a Weft of any version: writes down what its control plane and its sidecars say over Sync, one
 * message a line (`server` or `client`, base64).
 */
import { appendFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

interface Codec {
  encode(message: unknown): Uint8Array;
}

interface Session {
  readonly prototype: { send(message: Uint8Array): void };
}

// Not `WEFT_…`: those do not reach the sidecar of `weft run`.
const { SKEW_ROOT: root, SKEW_FILE: file } = process.env;
if (root !== undefined && file !== undefined) {
  const wire = pathToFileURL(`${root}/packages/wire/src/`).href;
  const note = (side: string, bytes: Uint8Array): void => {
    appendFileSync(file, `${side} ${Buffer.from(bytes).toString('base64')}\n`);
  };
  const { clientMessage } = (await import(`${wire}sync-message.ts`)) as { clientMessage: Codec };
  const encode = clientMessage.encode.bind(clientMessage);
  clientMessage.encode = (message) => {
    const bytes = encode(message);
    note('client', bytes);
    return bytes;
  };
  const { SyncSession } = (await import(`${wire}sync-session.ts`)) as { SyncSession: Session };
  const send = SyncSession.prototype.send;
  SyncSession.prototype.send = function (message) {
    note('server', message);
    send.call(this, message);
  };
}
