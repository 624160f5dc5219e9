import { Buffer } from 'node:buffer';
import type { Random } from '@weft/kernel';
import { frame, literals } from '../event-recorder.ts';
import { CLIENT_PREFACE, FrameFlag, FrameType } from '../frame/frame-type.ts';

/** One frame of a client, before it is bytes. */
export interface ScriptFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

/** What a client says behind its preface and first SETTINGS. */
export type FrameScript = readonly ScriptFrame[];

type Fields = [string, string][];

const { EndStream, EndHeaders, Padded, Ack } = FrameFlag;
const basic = (): Fields => [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/a?b=c'],
  [':authority', 'a.example'],
];

/** Names and values at which readers have differed. */
const oddNames = [
  'Connection',
  'connection',
  'te',
  'transfer-encoding',
  'host',
  'content-length',
  'X-A',
  'a b',
  '',
  ':x',
  ':path',
  ':status',
  'cookie',
  'keep-alive',
  'upgrade',
  'x_y',
  'expect',
  ':protocol',
];
const oddValues = [
  '',
  ' a',
  'a\t',
  'a\0b',
  'a\r\nb: c',
  'trailers',
  'gzip',
  'chunked',
  '0',
  '5',
  '05',
  '+5',
  '5, 5',
  'a.example',
  'b.example',
  '/',
  '*',
  '//x',
  'x',
  '/a b',
  '\u00e9',
  'GET',
  'CONNECT',
  'OPTIONS',
  'get',
  '100-continue',
  'a@b',
  'http',
  'https',
];

/** A random conversation of a client that mostly keeps the rules. */
export function makeScript(random: Random): ScriptFrame[] {
  const below = (limit: number): number => Math.floor(random() * limit);
  const pick = <T>(from: readonly T[]): T => from[below(from.length)]!;
  const script: ScriptFrame[] = [];
  const put = putter(script);
  const streams = 1 + below(4);
  for (let id = 1; id <= streams * 2; id += 2) {
    const fields = basic();
    for (let count = below(3); count > 0; count -= 1) fields.push([`x-${below(5)}`, `v${below(9)}`]);
    if (random() < 0.35) mutateFields(fields, random);
    putMessage(script, random, id, fields);
  }
  if (random() < 0.3) put(FrameType.Ping, 0, 0, '12345678');
  if (random() < 0.3) put(FrameType.WindowUpdate, 0, pick([0, 1]), Buffer.from([0, 0, 1, 0]));
  if (random() < 0.2) put(FrameType.Settings, 0, 0, Buffer.from([0, pick([1, 3, 4, 5, 9]), 0, 0, 0x40, 0]));
  if (random() < 0.1) put(FrameType.Settings, Ack, 0);
  return script;
}

/** Adds frames to a script; texts are octets. */
export function putter(
  script: ScriptFrame[],
): (type: number, flags: number, streamId: number, payload?: Buffer | string) => void {
  return (type, flags, streamId, payload = Buffer.alloc(0)) => {
    const bytes = typeof payload === 'string' ? Buffer.from(payload, 'latin1') : payload;
    script.push({ type, flags, streamId, payload: bytes });
  };
}

/** A head of these fields, in one frame or two, and mostly a body, padded and ended in any way that there is. */
export function putMessage(
  script: ScriptFrame[],
  random: Random,
  id: number,
  fields: readonly (readonly [string, string])[],
): void {
  const below = (limit: number): number => Math.floor(random() * limit);
  const put = putter(script);
  const block = literals(fields);
  const body = random() < 0.6;
  const ends = body ? 0 : EndStream;
  if (random() < 0.15) {
    const cut = below(block.length);
    put(FrameType.Headers, ends, id, block.subarray(0, cut));
    put(FrameType.Continuation, EndHeaders, id, block.subarray(cut));
  } else put(FrameType.Headers, ends | EndHeaders, id, block);
  if (!body) return;
  for (let count = below(3); count > 0; count -= 1) put(FrameType.Data, 0, id, 'd'.repeat(1 + below(40)));
  if (random() < 0.2) put(FrameType.Data, Padded, id, '\x03pad\0\0\0');
  if (random() < 0.1) put(FrameType.RstStream, 0, id, Buffer.from([0, 0, 0, 8]));
  else if (random() < 0.3) put(FrameType.Headers, EndHeaders | EndStream, id, literals([['x-sum', '1']]));
  else put(FrameType.Data, EndStream, id, 'end');
}

/** A few changes that may break any rule. */
export function mutateScript(script: ScriptFrame[], random: Random): void {
  const below = (limit: number): number => Math.floor(random() * limit);
  for (let count = 1 + below(2); count > 0 && script.length > 0; count -= 1) {
    const at = below(script.length);
    const old = script[at]!;
    switch (below(9)) {
      case 0:
        script[at] = { ...old, type: below(12) };
        break;
      case 1:
        script[at] = { ...old, flags: old.flags ^ [1, 4, 8, 32, 0xff][below(5)]! };
        break;
      case 2:
        script[at] = { ...old, streamId: below(9) };
        break;
      case 3: {
        const payload = Buffer.from(old.payload);
        if (payload.length > 0) payload[below(payload.length)] = below(256);
        script[at] = { ...old, payload };
        break;
      }
      case 4:
        script[at] = { ...old, payload: old.payload.subarray(0, below(old.payload.length + 1)) };
        break;
      case 5:
        script.splice(at, 1);
        break;
      case 6:
        script.splice(at, 0, old);
        break;
      case 7: {
        const other = below(script.length);
        script[at] = script[other]!;
        script[other] = old;
        break;
      }
      default:
        script.splice(at, 0, {
          type: below(10),
          flags: [0, 1, 4, 5][below(4)]!,
          streamId: below(7),
          payload: Buffer.alloc([0, 4, 5, 6, 8, 9][below(6)]!, below(3)),
        });
    }
  }
}

export function scriptBytes(script: FrameScript): Buffer {
  return Buffer.concat([
    Buffer.from(CLIENT_PREFACE),
    frame(FrameType.Settings, 0, 0),
    ...script.map(({ type, flags, streamId, payload }) => frame(type, flags, streamId, payload)),
  ]);
}

/** As one can read it, for a report. */
export function describeScript(script: FrameScript): string {
  return script
    .map(
      ({ type, flags, streamId, payload }) =>
        `${type}/${flags.toString(16)} on ${streamId}: ${JSON.stringify(payload.toString('latin1'))}`,
    )
    .join('\n');
}

/** One change of a head. */
export function mutateFields(fields: Fields, random: Random): void {
  const below = (limit: number): number => Math.floor(random() * limit);
  const at = below(fields.length);
  const name = oddNames[below(oddNames.length)]!;
  const value = oddValues[below(oddValues.length)]!;
  switch (below(5)) {
    case 0:
      fields.splice(at, 1);
      break;
    case 1:
      fields[at] = [fields[at]![0], value];
      break;
    case 2:
      fields.splice(at, 0, fields[at]!);
      break;
    case 3:
      fields.splice(below(fields.length + 1), 0, [name, value]);
      break;
    default:
      fields.push([name, value]);
  }
}
