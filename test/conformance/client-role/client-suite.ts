/**
 * What h2spec asks of servers, asked of clients: a scripted server that breaks each rule, before the codec and the outbound side; and
 * gRPC's own clients before a gRPC server that misbehaves.
 */
import { Tally } from '../tally.ts';
import { runBadServer } from './bad-server-suite.ts';
import { CodecClient, OutboundClient } from './client-subjects.ts';
import { hostileCases } from './hostile-cases.ts';
import { playCase } from './hostile-server.ts';

export async function runClientRole(): Promise<Tally[]> {
  const tallies: Tally[] = [];
  for (const subject of [new CodecClient(), new OutboundClient()]) {
    const tally = new Tally(`client role, ${subject.name}`);
    tallies.push(tally);
    for (const hostile of hostileCases) {
      if (hostile.codecOnly === true && subject instanceof OutboundClient) continue;
      await tally.check(`${hostile.section}: ${hostile.name}`, () => playCase(subject, hostile));
    }
  }
  return [...tallies, ...(await runBadServer())];
}
