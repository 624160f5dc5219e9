import {
  type CST,
  type Document,
  type Pair,
  type ParsedNode,
  Composer,
  LineCounter,
  Parser,
  isAlias,
  isCollection,
  isMap,
  isPair,
  isScalar,
  isSeq,
} from 'yaml';
import type { ProblemCodeName } from '../problem/problem-code.ts';
import {
  type FieldPath,
  type Problem,
  type ProblemOrigin,
  type ProblemText,
  noObject,
  problemOf,
  quoteValue,
} from '../problem/problem.ts';
import type { DocumentOrigin } from './document-origin.ts';

/** What the reader takes before it refuses. All of them bound memory and time, whatever a file holds. */
export interface DocumentLimits {
  /** Characters of one file: 10,000 routes of 1.5 KB fit. */
  readonly fileLength: number;
  /** Characters of one document: what etcd holds is smaller. */
  readonly documentLength: number;
  readonly documents: number;
  /** Nested collections; the deepest field of any kind is at 10. */
  readonly depth: number;
  /** Values of one document after aliases are expanded. */
  readonly values: number;
}

export const documentLimits: DocumentLimits = {
  fileLength: 16 * 1024 * 1024,
  documentLength: 1024 * 1024,
  documents: 20_000,
  depth: 64,
  values: 50_000,
};

/** One document as plain data, with the places of its fields. */
export interface SourceDocument {
  readonly raw: unknown;
  readonly origin: DocumentOrigin;
}

export interface DocumentsResult {
  readonly documents: readonly SourceDocument[];
  readonly problems: readonly Problem[];
}

/**
 * Reads the YAML 1.2 documents of one file (JSON is YAML). A broken document is reported and left out; the others are read.
 * Empty documents are skipped. Never throws on input.
 */
export function readDocuments(text: string, file: string, limits: DocumentLimits = documentLimits): DocumentsResult {
  const problems: Problem[] = [];
  const documents: SourceDocument[] = [];
  const lines = new LineCounter();
  const report = (offset: number, code: ProblemCodeName, problem: ProblemText, path: FieldPath = []): void => {
    problems.push(problemOf(code, problem, path, noObject, placeOf(file, lines, offset)));
  };
  if (text.length > limits.fileLength) {
    report(0, 'document-too-large', {
      message: `${text.length} characters`,
      expected: `at most ${limits.fileLength} in a file`,
    });
    return { documents, problems };
  }
  let pending: CST.Token[] = [];
  let count = 0;
  const compose = (): void => {
    const tokens = pending;
    pending = [];
    const composer = new Composer({
      version: '1.2',
      schema: 'core',
      resolveKnownTags: false,
      uniqueKeys: false,
      strict: true,
      logLevel: 'silent',
    });
    for (const document of composer.compose(tokens)) readDocument(document, file, lines, limits, report, documents);
  };
  for (const token of new Parser(lines.addNewLine).parse(text)) {
    if (token.type === 'document') {
      count += 1;
      if (count > limits.documents) {
        report(token.offset, 'too-many-documents', {
          message: 'more documents',
          expected: `at most ${limits.documents} in a file`,
        });
        return { documents, problems };
      }
      const fault = checkToken(token, limits);
      if (fault !== undefined) {
        report(token.offset, fault.code, fault.text);
        pending = [];
        continue;
      }
    }
    pending.push(token);
    if (token.type === 'document') compose();
  }
  if (pending.length > 0) compose();
  return { documents, problems };
}

type DocumentReport = (offset: number, code: ProblemCodeName, problem: ProblemText, path?: FieldPath) => void;

function readDocument(
  document: Document.Parsed,
  file: string,
  lines: LineCounter,
  limits: DocumentLimits,
  report: DocumentReport,
  documents: SourceDocument[],
): void {
  for (const { code, message, pos } of [...document.errors, ...document.warnings]) {
    if (code === 'TAG_RESOLVE_FAILED')
      report(pos[0], 'unsupported-tag', { message: oneLine(message), fix: 'Remove the tag.' });
    else report(pos[0], 'syntax', { message: oneLine(message), expected: 'YAML 1.2' });
  }
  if (document.errors.length > 0 || document.warnings.length > 0 || document.contents === null) return;
  const expansion = new Expansion(limits, report);
  const raw = expansion.expand(document.contents, [], 0);
  if (expansion.failed || raw === null) return;
  documents.push({ raw, origin: new YamlOrigin(file, document.contents, lines) });
}

/**
 * Turns a parsed document into plain data. Aliases share what their anchor gave, so that a bomb costs no memory, yet they
 * are counted in full, because whoever reads the data walks it in full.
 */
class Expansion {
  failed = false;
  readonly #limits: DocumentLimits;
  readonly #report: DocumentReport;
  readonly #anchors = new Map<string, { value: unknown; size: number }>();
  #size = 0;

  constructor(limits: DocumentLimits, report: DocumentReport) {
    this.#limits = limits;
    this.#report = report;
  }

  expand(node: ParsedNode | null, path: (string | number)[], depth: number): unknown {
    if (this.failed || node === null) return null;
    const before = this.#size;
    this.#size += 1;
    if (this.#size > this.#limits.values) {
      const message = `more values than ${this.#limits.values}, aliases expanded`;
      return this.#fail(node.range[0], 'too-many-values', { message, fix: 'Split the document.' }, path);
    }
    if (depth > this.#limits.depth) {
      return this.#fail(node.range[0], 'too-deep', { message: `nested deeper than ${this.#limits.depth}` }, path);
    }
    if (isAlias(node)) {
      const anchor = this.#anchors.get(node.source);
      if (anchor === undefined) {
        return this.#fail(
          node.range[0],
          'syntax',
          { message: `no anchor ${quoteValue(node.source)} before its alias` },
          path,
        );
      }
      this.#size += anchor.size;
      return anchor.value;
    }
    let value: unknown;
    if (isMap(node)) {
      const map: Record<string, unknown> = {};
      value = map;
      for (const pair of node.items) {
        const name = isScalar(pair.key) ? keyText(pair.key.value) : undefined;
        const offset = pair.key?.range[0] ?? node.range[0];
        if (name === undefined) return this.#fail(offset, 'wrong-type', { message: 'a key that is no text' }, path);
        path.push(name);
        if (name === '__proto__') return this.#fail(offset, 'forbidden-key', { message: '__proto__ is no key' }, path);
        if (Object.hasOwn(map, name))
          return this.#fail(offset, 'duplicate-key', { message: `${quoteValue(name)} stands there twice` }, path);
        map[name] = this.expand(pair.value, path, depth + 1);
        path.pop();
      }
    } else if (isSeq(node)) {
      const items: unknown[] = [];
      value = items;
      for (const [index, item] of node.items.entries()) {
        path.push(index);
        items.push(isPair(item) ? null : this.expand(item, path, depth + 1));
        path.pop();
      }
    } else {
      value = isScalar(node) ? scalarValue(node.value) : null;
    }
    if (node.anchor !== undefined) this.#anchors.set(node.anchor, { value, size: this.#size - before });
    return value;
  }

  #fail(offset: number, code: ProblemCodeName, text: ProblemText, path: FieldPath): null {
    if (!this.failed) this.#report(offset, code, text, path);
    this.failed = true;
    return null;
  }
}

class YamlOrigin implements DocumentOrigin {
  readonly file: string;
  readonly line: number;
  readonly #contents: ParsedNode;
  readonly #lines: LineCounter;

  constructor(file: string, contents: ParsedNode, lines: LineCounter) {
    this.file = file;
    this.#contents = contents;
    this.#lines = lines;
    this.line = lines.linePos(contents.range[0]).line;
  }

  locate(path: FieldPath, atKey = false): ProblemOrigin {
    let node: ParsedNode | null = this.#contents;
    let offset = node.range[0];
    for (const [depth, part] of path.entries()) {
      let next: ParsedNode | null = null;
      if (isMap(node)) {
        const pair: Pair<ParsedNode, ParsedNode | null> | undefined = node.items.find(
          ({ key }) => isScalar(key) && keyText(key.value) === part,
        );
        if (pair === undefined) break;
        next = pair.value;
        const valueStands = next !== null && !isCollection(next) && !(atKey && depth === path.length - 1);
        offset = valueStands ? next!.range[0] : (pair.key?.range[0] ?? offset);
      } else if (isSeq(node) && typeof part === 'number') {
        const item: unknown = node.items[part];
        if (item === undefined || isPair(item)) break;
        next = item as ParsedNode;
        offset = next.range[0];
      } else {
        break;
      }
      node = next;
    }
    return placeOf(this.file, this.#lines, offset);
  }
}

/** The composer recurses, so depth and size of its input are bounded before it runs, without recursion. */
function checkToken(
  document: CST.Document,
  limits: DocumentLimits,
): { code: ProblemCodeName; text: ProblemText } | undefined {
  const stack: { token: CST.Token | null | undefined; depth: number }[] = [{ token: document.value, depth: 1 }];
  let length = 0;
  let values = 0;
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { token, depth } = next;
    if (token === null || token === undefined) continue;
    values += 1;
    if (values > limits.values) {
      return {
        code: 'too-many-values',
        text: { message: `more values than ${limits.values}`, fix: 'Split the document.' },
      };
    }
    if (depth > limits.depth) return { code: 'too-deep', text: { message: `nested deeper than ${limits.depth}` } };
    if ('source' in token) length += token.source.length;
    if ('props' in token) for (const prop of token.props) if ('source' in prop) length += prop.source.length;
    if (length > limits.documentLength) {
      return {
        code: 'document-too-large',
        text: { message: 'too long', expected: `at most ${limits.documentLength} characters` },
      };
    }
    if (!('items' in token)) continue;
    for (const item of token.items) {
      stack.push({ token: item.key, depth: depth + 1 }, { token: item.value, depth: depth + 1 });
    }
  }
  return undefined;
}

function keyText(value: unknown): string | undefined {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : undefined;
}

/** The core schema gives text, numbers, booleans and null; whole numbers beyond the safe range would lose digits. */
function scalarValue(value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}

function placeOf(file: string, lines: LineCounter, offset: number): ProblemOrigin {
  const { line, col } = lines.linePos(offset);
  return { file, line: Math.max(1, line), column: Math.max(1, col) };
}

/** The library's messages carry an excerpt of the source after the first line. */
function oneLine(message: string): string {
  return (message.split('\n', 1)[0] ?? '').replace(/ at line \d+, column \d+:?$/, '').slice(0, 200);
}
