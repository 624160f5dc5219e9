import { Buffer } from 'node:buffer';

/** llhttp, through the class that `node:http` uses: a second, independent reader to compare with. */
export interface LlhttpParser {
  initialize(kind: number, resource: object): void;
  /** Number of bytes read, or an error. */
  execute(bytes: Buffer): number | Error;
  /** Callbacks live under the numbers that the class names. */
  [callback: number]: (...args: never[]) => number | undefined;
}

export interface LlhttpClass {
  new (): LlhttpParser;
  readonly REQUEST: number;
  readonly kOnHeadersComplete: number;
  readonly kOnBody: number;
  readonly kOnMessageComplete: number;
}

/** The class, or undefined should Node lock it away. */
export function loadLlhttp(): LlhttpClass | undefined {
  try {
    const module = process.getBuiltinModule('_http_common') as unknown as { HTTPParser?: LlhttpClass } | undefined;
    return module?.HTTPParser;
  } catch {
    return undefined;
  }
}

/** The bodies of the requests that llhttp reads whole, in order, and whether it refused what followed. */
export function readBodies(llhttp: LlhttpClass, text: string): { bodies: string[]; refused: boolean } {
  const parser = new llhttp();
  parser.initialize(llhttp.REQUEST, {});
  const bodies: string[] = [];
  let body = '';
  parser[llhttp.kOnHeadersComplete] = () => {
    body = '';
    return 0;
  };
  parser[llhttp.kOnBody] = (bytes: Buffer) => {
    body += bytes.toString('latin1');
    return 0;
  };
  parser[llhttp.kOnMessageComplete] = () => {
    bodies.push(body);
    return 0;
  };
  const result = parser.execute(Buffer.from(text, 'latin1'));
  return { bodies, refused: typeof result !== 'number' };
}
