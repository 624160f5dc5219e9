/** Where a command writes. A port, so that tests see what a person would. */
export interface Terminal {
  out(text: string): void;
  /** Beside the result: hints, warnings, progress. */
  err(text: string): void;
  /** Whether `out` shows colours. */
  readonly coloured: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The terminal of this process. Colours only where a person looks, and not if they said no (https://no-color.org). */
export function processTerminal(): Terminal {
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    coloured: showsColour(process.stdout.isTTY === true, process.env),
  };
}

export function showsColour(isTty: boolean, env: Environment): boolean {
  return isTty && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb';
}

export type Colour = 'red' | 'yellow' | 'green' | 'dim';

const codes: Readonly<Record<Colour, number>> = { red: 31, yellow: 33, green: 32, dim: 2 };

export function paint(text: string, colour: Colour | undefined, coloured: boolean): string {
  return colour === undefined || !coloured ? text : `\u001b[${codes[colour]}m${text}\u001b[0m`;
}
