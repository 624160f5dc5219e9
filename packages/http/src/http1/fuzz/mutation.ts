import type { Random } from '@weft/kernel';
import type { FuzzInput } from './laws.ts';

/** Pieces that parsers have stumbled over, thrown in at random places. */
const tokens: readonly string[] = [
  '\r\n',
  '\r',
  '\n',
  '\r\n\r\n',
  '\r\n ',
  '\x00',
  '\t',
  ' ',
  ':',
  ',',
  ';',
  '"',
  '\\',
  '#',
  '?',
  '@',
  '%00',
  '\x7f',
  '\x80',
  '\xff',
  '0',
  '00',
  '0x',
  'ffffffffffffff',
  '-1',
  'Host: b\r\n',
  'Content-Length: 5\r\n',
  'Content-Length: 0\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: identity\r\n',
  'Connection: close, x\r\n',
  'Connection: upgrade\r\n',
  'Upgrade: websocket\r\n',
  'Expect: 100-continue\r\n',
  'TE: trailers\r\n',
  'X: y\r\n',
  'Weft-A: b\r\n',
  '0\r\n\r\n',
  '5\r\nhello\r\n',
  'HTTP/1.0',
  'HTTP/1.1',
  'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
  'http://h',
  '[::1]:80',
];

/** A changed copy of `input`: one to four of flip, replace, delete, repeat, insert, splice with another input. */
export function mutate(input: FuzzInput, corpus: readonly FuzzInput[], random: Random): FuzzInput {
  let bytes = input.bytes;
  const rounds = 1 + Math.floor(random() * 4);
  for (let round = 0; round < rounds; round += 1) bytes = mutateOnce(bytes, corpus, random);
  return { side: input.side, bytes, asked: input.asked, offered: input.offered };
}

function mutateOnce(text: string, corpus: readonly FuzzInput[], random: Random): string {
  const at = Math.floor(random() * (text.length + 1));
  const span = Math.floor(random() * 12);
  const before = text.slice(0, at);
  switch (Math.floor(random() * 6)) {
    case 0:
      return (
        before + String.fromCharCode((text.charCodeAt(at) || 0) ^ (1 << Math.floor(random() * 8))) + text.slice(at + 1)
      );
    case 1:
      return before + String.fromCharCode(Math.floor(random() * 256)) + text.slice(at + 1);
    case 2:
      return before + text.slice(at + span);
    case 3:
      return before + text.slice(at, at + span) + text.slice(at);
    case 4:
      return before + tokens[Math.floor(random() * tokens.length)]! + text.slice(at);
    default: {
      const other = corpus[Math.floor(random() * corpus.length)]!.bytes;
      return before + other.slice(Math.floor(random() * other.length));
    }
  }
}
