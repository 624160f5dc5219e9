import { parseAst } from 'rolldown/parseAst';

/** What the house rules want to know of one source file. Positions are lines, counted from 1. */
export interface SyntaxFacts {
  readonly imports: readonly ImportFact[];
  /** Uses of what reads a clock, chance, a timer or the environment: `Date.now`, `setTimeout`, ... */
  readonly globals: readonly UseFact[];
  readonly anyLines: readonly number[];
  readonly defaultExportLines: readonly number[];
  readonly exportAllLines: readonly number[];
  /** Top-level statements that are no named re-export. */
  readonly ownStatementLines: readonly number[];
  /** Texts of string literals. */
  readonly strings: ReadonlySet<string>;
}

export interface ImportFact {
  readonly specifier: string;
  readonly line: number;
  /** `url` is a file named by `new URL('./x.ts', import.meta.url)`: started, not imported. */
  readonly kind: 'static' | 'dynamic' | 'type' | 'url';
}

export interface UseFact {
  readonly name: string;
  readonly line: number;
}

interface Node {
  readonly type: string;
  readonly start: number;
  readonly [key: string]: unknown;
}

const watchedMembers: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ['Date', new Set(['now'])],
  ['performance', new Set(['now', 'timeOrigin'])],
  ['Math', new Set(['random'])],
  ['process', new Set(['env', 'hrtime', 'uptime'])],
  ['globalThis', new Set(['setTimeout', 'setInterval'])],
]);

const watchedCalls: ReadonlySet<string> = new Set(['setTimeout', 'setInterval']);
/** Modules that hand out the same things under another name. */
const watchedImports: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ['node:timers/promises', new Set(['setTimeout', 'setInterval', 'scheduler'])],
  ['node:timers', new Set(['setTimeout', 'setInterval'])],
  ['node:process', new Set(['env', 'hrtime', 'uptime'])],
]);

/** Parses `text` as TypeScript; throws with the file's name when it is not. */
export function readSyntax(path: string, text: string): SyntaxFacts {
  const program = parseAst(
    text,
    { lang: path.endsWith('.tsx') ? 'tsx' : 'ts', sourceType: 'module' },
    path,
  ) as unknown as Node;
  const lineOf = lineFinder(text);
  const imports: ImportFact[] = [];
  const globals: UseFact[] = [];
  const anyLines: number[] = [];
  const defaultExportLines: number[] = [];
  const exportAllLines: number[] = [];
  const strings = new Set<string>();
  const ownStatementLines = (program['body'] as Node[])
    .filter((statement) => !isNamedReExport(statement))
    .map((statement) => lineOf(statement.start));

  walk(program, (node) => {
    const line = lineOf(node.start);
    switch (node.type) {
      case 'ImportDeclaration': {
        const specifier = literal(node['source'])!;
        imports.push({ specifier, line, kind: node['importKind'] === 'type' ? 'type' : 'static' });
        const watched = watchedImports.get(specifier);
        if (watched === undefined) break;
        for (const each of node['specifiers'] as Node[]) {
          const name = (each['imported'] as Node | undefined)?.['name'] as string | undefined;
          if (name !== undefined && watched.has(name)) globals.push({ name: `${specifier} ${name}`, line });
        }
        break;
      }
      case 'ExportNamedDeclaration': {
        const specifier = literal(node['source']);
        if (specifier !== undefined)
          imports.push({ specifier, line, kind: node['exportKind'] === 'type' ? 'type' : 'static' });
        const names = (node['specifiers'] as Node[]).map((each) => (each['exported'] as Node)['name']);
        if (names.includes('default')) defaultExportLines.push(line);
        break;
      }
      case 'ExportAllDeclaration':
        imports.push({ specifier: literal(node['source'])!, line, kind: 'static' });
        exportAllLines.push(line);
        break;
      case 'ExportDefaultDeclaration':
        defaultExportLines.push(line);
        break;
      case 'ImportExpression': {
        const specifier = literal(node['source']);
        if (specifier !== undefined) imports.push({ specifier, line, kind: 'dynamic' });
        break;
      }
      case 'TSImportType': {
        const specifier = literal(node['source']);
        if (specifier !== undefined) imports.push({ specifier, line, kind: 'type' });
        break;
      }
      case 'TSAnyKeyword':
        anyLines.push(line);
        break;
      case 'Literal':
        if (typeof node['value'] === 'string') strings.add(node['value']);
        break;
      case 'NewExpression': {
        const callee = node['callee'] as Node;
        const parameters = node['arguments'] as Node[];
        if (callee['name'] === 'Date' && parameters.length === 0) globals.push({ name: 'new Date', line });
        const first = literal(parameters[0]);
        if (callee['name'] === 'URL' && parameters.length === 2 && first?.startsWith('.') === true) {
          imports.push({ specifier: first, line, kind: 'url' });
        }
        break;
      }
      case 'CallExpression': {
        const name = (node['callee'] as Node)['name'];
        if (typeof name === 'string' && watchedCalls.has(name)) globals.push({ name, line });
        break;
      }
      case 'MemberExpression': {
        const object = (node['object'] as Node)['name'];
        const property = node['property'] as Node;
        const name = node['computed'] === true ? literal(property) : (property['name'] as string);
        if (typeof object === 'string' && name !== undefined && watchedMembers.get(object)?.has(name) === true) {
          globals.push({ name: `${object}.${name}`, line });
        }
        break;
      }
      default:
    }
  });
  return { imports, globals, anyLines, defaultExportLines, exportAllLines, ownStatementLines, strings };
}

function isNamedReExport(statement: Node): boolean {
  if (statement.type !== 'ExportNamedDeclaration' || statement['declaration'] !== null) return false;
  // `export {};` says that a file is a module and exports nothing.
  return statement['source'] !== null || (statement['specifiers'] as Node[]).length === 0;
}

function literal(node: unknown): string | undefined {
  const value = (node as Node | null | undefined)?.['value'];
  return typeof value === 'string' ? value : undefined;
}

function walk(node: Node, visit: (node: Node) => void): void {
  visit(node);
  for (const key in node) {
    const value = node[key];
    if (typeof value !== 'object' || value === null) continue;
    if (Array.isArray(value)) {
      for (const each of value) if (isNode(each)) walk(each, visit);
    } else if (isNode(value)) walk(value, visit);
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && typeof (value as { type?: unknown }).type === 'string';
}

function lineFinder(text: string): (position: number) => number {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return (position) => {
    let low = 0;
    let high = starts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (starts[middle]! <= position) low = middle;
      else high = middle;
    }
    return low + 1;
  };
}
