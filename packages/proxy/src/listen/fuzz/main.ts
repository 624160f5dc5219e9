/**
 * Fuzzer of connections whose first bytes are waited for: `node packages/proxy/src/listen/fuzz/main.ts [--seed N] [--seconds N]`. Bytes of
 * several protocols come in any pieces, with pauses, ends and answers of servers between, on a clock of their own. Nothing
 * throws, each is judged once and within its time limit, nobody listens afterwards, and what goes on is what came. Prints its
 * seed; ends with 1 and the connection at the first broken law.
 */
import { Buffer } from 'node:buffer';
import { seededRandom, systemClock, systemRandom } from '@weft/kernel';
import { writeProxyHeader } from '@weft/sniff';
import { brokenLaw, makeArrival } from './arrivals.ts';

const seed = option('--seed') ?? Math.floor(systemRandom() * 2 ** 31);
const seconds = option('--seconds') ?? 10;
const corpus = [
  'GET /a?b HTTP/1.1\r\nHost: a\r\n\r\n',
  'CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n',
  `GET http://${'a'.repeat(9_000)}`,
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0',
  'EHLO mail.example\r\n',
  '*1\r\n$4\r\nPING\r\n',
  '\x16\x03\x01\x00\x05\x01\x00\x00\x20',
  `\x16\x03\x01\x40\x00\x01\x00\x3f\xfc\x03\x03${'\0'.repeat(40_000)}`,
  `${'\x16\x03\x01\x00\x01\x01'}${'\x16\x03\x01\x00\x01\x00'.repeat(80)}`,
  // A whole ClientHello that offers weft-h2.
  `\x16\x03\x01\x00\x3d\x01\x00\x00\x39\x03\x03${'r'.repeat(32)}\x00\x00\x02\x13\x01\x01\x00\x00\x0e\x00\x10\x00\x0a\x00\x08\x07weft-h2`,
  writeProxyHeader({ address: '192.0.2.7', port: 4 }, { address: '198.51.100.1', port: 443 }).toString('latin1') +
    'GET /',
  `\r\n\r\n\0\r\nQUIT\n\x21\x11\x0f\xf0${'x'.repeat(5_000)}`,
].map((text) => Buffer.from(text, 'latin1'));
console.log(`seed ${seed}, ${corpus.length} beginnings, ${seconds} s`);
process.exitCode = run() ? 0 : 1;

function run(): boolean {
  const random = seededRandom(seed);
  const until = systemClock.nowMs() + seconds * 1000;
  let count = 0;
  while (systemClock.nowMs() < until) {
    for (let turn = 0; turn < 50; turn += 1, count += 1) {
      const arrival = makeArrival(corpus, random);
      const broken = brokenLaw(arrival);
      if (broken === undefined) continue;
      const steps = arrival.steps.map((step) => (step.kind === 'bytes' ? `bytes ${step.bytes.toString('hex')}` : step));
      console.log(`${arrival.reader}\n${steps.map((step) => JSON.stringify(step)).join('\n')}\n${broken}`);
      return false;
    }
  }
  console.log(`${count} connections, every law held`);
  return true;
}

function option(name: string): number | undefined {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : Number(process.argv[at + 1]);
}
