import { Buffer } from 'node:buffer';
import type { Random } from '@weft/kernel';
import { frame, literals } from '../event-recorder.ts';
import { FrameFlag, FrameType } from '../frame/frame-type.ts';
import { mutateFields, putMessage, putter } from './frame-script.ts';
import type { FrameScript, ScriptFrame } from './frame-script.ts';

const { EndHeaders, Ack } = FrameFlag;

/** Streams that the client has opened, each with a GET that is whole. */
export const ASKED = [1, 3, 5] as const;

/** A random conversation of a server that mostly keeps the rules: what it says behind its SETTINGS. */
export function makeAnswers(random: Random): ScriptFrame[] {
  const below = (limit: number): number => Math.floor(random() * limit);
  const script: ScriptFrame[] = [];
  const put = putter(script);
  for (const id of ASKED) {
    if (random() < 0.15) put(FrameType.Headers, EndHeaders, id, literals([[':status', '103']]));
    const fields: [string, string][] = [[':status', ['200', '404', '204', '304', '500'][below(5)]!]];
    for (let count = below(3); count > 0; count -= 1) fields.push([`x-${below(5)}`, `v${below(9)}`]);
    if (random() < 0.2) fields.push(['content-length', String(below(4) * 3)]);
    if (random() < 0.3) mutateFields(fields, random);
    putMessage(script, random, id, fields);
  }
  if (random() < 0.2) put(FrameType.Ping, 0, 0, '12345678');
  if (random() < 0.2) put(FrameType.WindowUpdate, 0, [0, 1][below(2)]!, Buffer.from([0, 0, 1, 0]));
  if (random() < 0.2) put(FrameType.Settings, 0, 0, Buffer.from([0, [1, 3, 4, 5, 9][below(5)]!, 0, 0, 0x40, 0]));
  if (random() < 0.1) put(FrameType.Settings, Ack, 0);
  return script;
}

export function answerBytes(script: FrameScript): Buffer {
  const frames = script.map(({ type, flags, streamId, payload }) => frame(type, flags, streamId, payload));
  return Buffer.concat([frame(FrameType.Settings, 0, 0), frame(FrameType.Settings, Ack, 0), ...frames]);
}
