import { Buffer } from 'node:buffer';
import { connect } from 'node:http2';
import { duplexPair } from 'node:stream';
import { Head } from '../../head.ts';
import { noEdits } from '../../head-edits.ts';
import { RequestFacts } from '../../http1/message-facts.ts';
import { MethodId } from '../../method.ts';
import { ConnectionRecorder, StreamRecorder, frame } from '../event-recorder.ts';
import { FrameType } from '../frame/frame-type.ts';
import { ASKED } from './answer-script.ts';
import { LAST_WORDS, PATIENCE_TURNS, faultsOf, nextTurn } from './read-requests.ts';
import type { Reading } from './read-requests.ts';

/** A client of ours that has asked on the streams of `ASKED`. */
export class AskingClient {
  readonly recorder: ConnectionRecorder;

  constructor() {
    this.recorder = new ConnectionRecorder('client');
    for (const _ of ASKED) {
      const head = new Head();
      head.methodId = MethodId.Get;
      const facts = new RequestFacts();
      facts.host = 'a.example';
      facts.target = '/';
      const sink = new StreamRecorder();
      const stream = this.recorder.connection.open(sink, head, noEdits, facts)!;
      sink.stream = stream;
      stream.sendEnd(null);
      this.recorder.streams.push(sink);
    }
    this.recorder.take();
  }
}

/** Our codec as a client. */
export function readOurAnswers(bytes: Buffer): Reading {
  const { recorder } = new AskingClient();
  recorder.connection.feed(bytes, 0, bytes.length, 0);
  const output = recorder.take();
  const details: string[] = [];
  const whole = new Map<number, string>();
  for (const [at, { head, ended, data, detail }] of recorder.streams.entries()) {
    if (detail !== '') details.push(detail);
    if (ended) whole.set(ASKED[at]!, `${head!.status} ${data}`);
  }
  for (const event of recorder.events) if (/^(?:refused|ended) /.test(event)) details.push(event.split(' ').at(-1)!);
  return { whole, ...faultsOf(output), details };
}

/** nghttp2 as a client, as node:http2 has it; a session for each input. */
export async function readTheirAnswers(bytes: Buffer): Promise<Reading> {
  const [near, far] = duplexPair();
  const output: Buffer[] = [];
  const seen = { closed: false, answered: false };
  far.on('data', (chunk: Buffer) => {
    output.push(chunk);
    seen.answered ||= chunk.includes(LAST_WORDS);
  });
  for (const side of [near, far]) side.on('error', () => {}).on('close', () => (seen.closed = true));
  const session = connect('http://a.example', { createConnection: () => near });
  session.on('error', () => {}).on('goaway', () => {});
  const whole = new Map<number, string>();
  for (const id of ASKED) {
    const stream = session.request({ ':path': '/' });
    let status = 0;
    let body = '';
    stream.setEncoding('latin1');
    stream.on('error', () => {});
    stream.on('response', (headers) => void (status = Number(headers[':status'])));
    stream.on('data', (text: string) => (body += text));
    stream.on('end', () => {
      if (!stream.aborted && status > 0) whole.set(id, `${status} ${body}`);
    });
    stream.on('close', () => {
      if (stream.rstCode !== 0) whole.delete(id);
    });
  }
  // What is answered must have been asked.
  for (let turn = 0; turn < PATIENCE_TURNS && Buffer.concat(output).length < 100; turn += 1) await nextTurn();
  for (let turn = 0; turn < 3; turn += 1) await nextTurn();
  far.write(bytes);
  far.write(frame(FrameType.Ping, 0, 0, LAST_WORDS));
  for (let turn = 0; turn < PATIENCE_TURNS && !seen.answered && !seen.closed; turn += 1) await nextTurn();
  for (let turn = 0; turn < 4; turn += 1) await nextTurn();
  const said = Buffer.concat(output);
  session.destroy();
  far.destroy();
  near.destroy();
  const { resets, death } = faultsOf(said);
  return { whole, resets, death: death === '' && seen.closed ? 'closed' : death, details: [] };
}
