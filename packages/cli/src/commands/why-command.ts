import { Command } from 'commander';
import { answerOf, withControlPlane } from '../admin-connection.ts';
import { type ControlFlags, withControlFlags } from '../control-place.ts';
import { exitCodes } from '../exit-code.ts';
import { writeWhy } from '../observe/hop-text.ts';
import { type OutputFormat, writeStructured } from '../output/structured-output.ts';
import type { Terminal } from '../output/terminal.ts';
import type { Finish } from './finish.ts';
import { outputOption } from './output-option.ts';

interface WhyOptions extends ControlFlags {
  readonly output: OutputFormat;
}

/** `weft why`: what became of one request, hop by hop, and why. */
export function whyCommand(terminal: Terminal, finish: Finish): Command {
  return withControlFlags(new Command('why'))
    .description('show why a request went where it went: rules, draws, tries, endpoints and time, at every hop')
    .argument('<id>', 'a trace id (of traceparent) or a request id (of x-request-id)')
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Every sidecar remembers its last decisions: all errors and retried requests, and of the others a sample of whole traces. All
of them are asked; what has not answered within a second is named. Exit code 1 when nobody remembers the request; then how
far back each one reaches is shown.

Examples:
  weft why 4bf92f3577b34da6a3ce929d0e0e4736
  weft why 9b2f2a34-6d0c-4b1e-8f53-2f0f3a9c4a11 -o json | jq '.hops[].hop.attempts'`,
    )
    .action(async (id: string, options: WhyOptions) => {
      const { output } = options;
      const request = id.trim();
      const answer = await withControlPlane(options, async (admin) => answerOf(await admin.why(request)), 'requests');
      if (output === 'table') terminal.out(writeWhy(request, answer, Date.now(), terminal.coloured));
      else terminal.out(await writeStructured({ request, ...answer }, output));
      finish(answer.hops.length === 0 ? exitCodes.unwell : exitCodes.ok);
    });
}
