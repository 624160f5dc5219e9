/**
 * Fuzzer of what reads first bytes (protocol detection, ClientHello, PROXY protocol, a server's greeting):
 * `node packages/sniff/src/fuzz/main.ts [--seed N] [--seconds N]`. Mutates the corpus, checks the laws of `laws.ts`, prints its seed;
 * ends with 1 and the input at the first broken law.
 */
import type { Buffer } from 'node:buffer';
import { seededRandom, systemClock, systemRandom } from '@weft/kernel';
import { readCorpus } from './corpus.ts';
import { brokenLaw } from './laws.ts';
import { mutate } from './mutation.ts';

const seed = option('--seed') ?? Math.floor(systemRandom() * 2 ** 31);
const seconds = option('--seconds') ?? 10;
const corpus = await readCorpus();
console.log(`seed ${seed}, ${corpus.length} inputs, ${seconds} s`);
process.exitCode = run() ? 0 : 1;

function run(): boolean {
  const random = seededRandom(seed);
  const check = (input: Buffer): boolean => {
    const broken = brokenLaw(input, random);
    if (broken !== undefined) console.log(`${input.toString('hex')}\n${broken}`);
    return broken === undefined;
  };
  for (const input of corpus) if (!check(input)) return false;
  const until = systemClock.nowMs() + seconds * 1000;
  let count = 0;
  while (systemClock.nowMs() < until) {
    for (let turn = 0; turn < 100; turn += 1, count += 1) {
      if (!check(mutate(corpus[Math.floor(random() * corpus.length)]!, corpus, random))) return false;
    }
  }
  console.log(`${count} inputs, every law held`);
  return true;
}

function option(name: string): number | undefined {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : Number(process.argv[at + 1]);
}
