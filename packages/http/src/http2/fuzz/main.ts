/**
 * Fuzzer of the HTTP/2 codec: `node packages/http/src/http2/fuzz/main.ts [--seed N] [--seconds N | --count N] [--answers]`. Conversations
 * of a client that breaks rules, with `--answers` those of a server, go to our codec, whole and cut anywhere, and to nghttp2
 * (node:http2): no exception, the same events for any cut, and the verdict of the other or a listed reason. Prints its seed;
 * ends with 1 and the conversation at the first fault.
 */
import { Buffer } from 'node:buffer';
import { seededRandom, systemClock, systemRandom } from '@weft/kernel';
import type { Random } from '@weft/kernel';
import { ConnectionRecorder } from '../event-recorder.ts';
import { answerBytes, makeAnswers } from './answer-script.ts';
import { answerDifferenceOf, differenceOf } from './differences.ts';
import { describeScript, makeScript, mutateScript, scriptBytes } from './frame-script.ts';
import type { FrameScript } from './frame-script.ts';
import { Nghttp2Reader, readOurs, withLastWords } from './read-requests.ts';
import { AskingClient, readOurAnswers, readTheirAnswers } from './read-responses.ts';

const answers = process.argv.includes('--answers');
const seed = option('--seed') ?? Math.floor(systemRandom() * 2 ** 31);
const most = option('--count') ?? Number.POSITIVE_INFINITY;
const seconds = option('--seconds') ?? (most === Number.POSITIVE_INFINITY ? 10 : Number.POSITIVE_INFINITY);
console.log(`seed ${seed}, ${most === Number.POSITIVE_INFINITY ? `${seconds} s` : `${most} conversations`}`);
process.exit((await run(seed)) ? 0 : 1);

async function run(firstSeed: number): Promise<boolean> {
  const random = seededRandom(firstSeed);
  const nghttp2 = new Nghttp2Reader();
  const until = systemClock.nowMs() + seconds * 1000;
  let count = 0;
  for (; systemClock.nowMs() < until && count < most; count += 1) {
    const script = answers ? makeAnswers(random) : makeScript(random);
    if (random() < 0.7) mutateScript(script, random);
    const broken = await brokenLaw(script, nghttp2, random);
    if (broken !== undefined) {
      console.log(`conversation ${count}\n${describeScript(script)}\n${broken}`);
      return false;
    }
  }
  console.log(`${count} conversations, every law held`);
  return true;
}

async function brokenLaw(script: FrameScript, nghttp2: Nghttp2Reader, random: Random): Promise<string | undefined> {
  const bytes = answers ? answerBytes(script) : scriptBytes(script);
  try {
    const whole = transcript([bytes]);
    const cuts = Array.from({ length: 1 + Math.floor(random() * 6) }, () => Math.floor(random() * bytes.length));
    const places = cuts.toSorted((one, other) => one - other);
    const pieces = transcript(cutAt(bytes, places));
    if (pieces !== whole) return `cut at ${places.join(' ')} gives other events:\n${pieces}\nthan whole:\n${whole}`;
    if (answers) return answerDifferenceOf(script, readOurAnswers(withLastWords(bytes)), await readTheirAnswers(bytes));
    return differenceOf(script, readOurs(withLastWords(bytes)), await nghttp2.read(bytes));
  } catch (error) {
    return `it threw ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
  }
}

function transcript(pieces: readonly Buffer[]): string {
  const recorder = answers ? new AskingClient().recorder : new ConnectionRecorder('server');
  for (const piece of pieces) recorder.connection.feed(piece, 0, piece.length, 0);
  return recorder.transcript().join('\n');
}

function cutAt(bytes: Buffer, places: readonly number[]): Buffer[] {
  return [0, ...places].map((start, at) => Buffer.from(bytes.subarray(start, places[at] ?? bytes.length)));
}

function option(name: string): number | undefined {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : Number(process.argv[at + 1]);
}
