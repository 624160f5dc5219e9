import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type CaptureMode, type LogLevel, type SidecarSize, sidecarSizes } from '@weft/injection';
import { Command, Option } from 'commander';
import { CommandFault, exitCodes } from '../exit-code.ts';
import type { Terminal } from '../output/terminal.ts';
import { logLevels } from '../proxy/proxy-settings.ts';
import { weftVersion } from '../weft-version.ts';
import type { Finish } from './finish.ts';

interface InjectOptions {
  readonly file: readonly string[];
  readonly image: string;
  readonly control: string;
  readonly trustDomain: string;
  readonly rootsFile: string;
  readonly capture: CaptureMode;
  readonly legacyIptables: boolean;
  readonly cni: boolean;
  readonly logLevel: LogLevel;
  readonly size: SidecarSize;
}

const STANDARD_INPUT = 0;

/** `weft inject`: what the webhook does to pods, done to files. */
export function injectCommand(terminal: Terminal, finish: Finish): Command {
  return new Command('inject')
    .description('put a sidecar into the pods of Kubernetes manifests; what the webhook does, by hand')
    .requiredOption(
      '-f, --file <path...>',
      'manifests of any kind, YAML or JSON, many documents too; - reads standard input',
    )
    .requiredOption('--roots-file <path>', "PEM of the mesh's roots, which the sidecar checks the control plane by")
    .option('--image <reference>', 'image of the sidecar', `weft:${weftVersion}`)
    .option('--control <host:port>', 'control plane, as pods reach it', 'weft-control.weft-system.svc:15012')
    .option('--trust-domain <name>', 'trust domain of the mesh', 'cluster.local')
    .addOption(
      new Option('--capture <mode>', 'Redirect takes all traffic by rules; None gives an explicit proxy')
        .choices(['Redirect', 'None'])
        .default('Redirect'),
    )
    .option('--legacy-iptables', 'for nodes without nftables: the init container gets NET_RAW too', false)
    .option('--cni', 'the agents of the nodes write the rules: the init container only proves them', false)
    .addOption(new Option('--log-level <level>', 'of the sidecar').choices(logLevels).default('info'))
    .addOption(
      new Option('--size <name>', 'resources of the sidecar').choices(Object.keys(sidecarSizes)).default('standard'),
    )
    .addHelpText(
      'after',
      `
The result goes to standard output; what else is to be known goes to standard error. Nothing is written when a document
is refused. Annotations config.weft.dev/... of a pod win over these flags; the label weft.dev/inject: disabled keeps a pod out.

Examples:
  weft inject --roots-file roots.pem -f deploy.yaml | kubectl apply -f -
  kubectl get deploy cart -o yaml | weft inject --roots-file roots.pem -f - > cart.yaml`,
    )
    .action(async (options: InjectOptions) => {
      const { injectDocuments } = await import('../inject/inject-documents.ts');
      const settings = {
        image: options.image,
        imagePullPolicy: '',
        imagePullSecrets: [],
        controlAddress: options.control,
        trustDomain: options.trustDomain,
        rootsPem: readText(options.rootsFile),
        tokenAudience: 'weft',
        capture: options.capture,
        legacyIptables: options.legacyIptables,
        cni: options.cni,
        logLevel: options.logLevel,
        size: options.size,
      } as const;
      const results = options.file.map((file) => injectDocuments(readText(file), file, settings, randomUUID));
      const faults = results.flatMap((each) => each.faults);
      for (const line of results.flatMap(({ notes }) => notes)) terminal.err(`weft: ${line}\n`);
      for (const line of faults) terminal.err(`weft: ${line}\n`);
      if (faults.length === 0) terminal.out(joinTexts(results.map(({ text }) => text)));
      finish(faults.length === 0 ? exitCodes.ok : exitCodes.unwell);
    });
}

/** One stream of documents: a file may begin with its own line that parts it from what is before, and may not. */
function joinTexts(texts: readonly string[]): string {
  return texts.reduce((all, text) => `${all}${all === '' || text.startsWith('---') ? '' : '---\n'}${text}`, '');
}

function readText(path: string): string {
  try {
    return readFileSync(path === '-' ? STANDARD_INPUT : path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new CommandFault(exitCodes.usage, `${path} cannot be read (${code ?? String(error)}); check the path`);
  }
}
