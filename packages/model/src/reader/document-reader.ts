import {
  type CST,
  type Document,
  type Pair,
  type ParsedNode,
  Composer,
  Lexer,
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
  /** Characters of one file: 10,000 routes of 400 characters fit. */
  readonly fileLength: number;
  /** Characters of one document: what etcd holds is smaller. */
  readonly documentLength: number;
  readonly documents: number;
  /** Nested collections; the deepest field of any kind is at 10. */
  readonly depth: number;
  /** Values of one document after aliases are expanded; the largest valid HTTPRoute has 14,000. */
  readonly values: number;
}

export const documentLimits: DocumentLimits = {
  fileLength: 4 * 1024 * 1024,
  documentLength: 1024 * 1024,
  documents: 20_000,
  depth: 64,
  values: 20_000,
};

/** Punctuation, white space and text: a value has at most so many lexemes of its own in any sensible file. */
const LEXEMES_PER_VALUE = 8;

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
  const refuse = (line: number, code: ProblemCodeName, problem: ProblemText): void => {
    problems.push(problemOf(code, problem, [], noObject, { file, line, column: 1 }));
  };
  if (text.length > limits.fileLength) {
    refuse(1, 'document-too-large', {
      message: `${text.length} characters`,
      expected: `at most ${limits.fileLength} in a file`,
    });
    return { documents, problems };
  }
  let count = 0;
  for (const part of splitDocuments(text)) {
    count += 1;
    if (count > limits.documents) {
      refuse(part.firstLine, 'too-many-documents', {
        message: 'more documents',
        expected: `at most ${limits.documents} in a file`,
      });
      break;
    }
    if (part.text.length > limits.documentLength) {
      refuse(part.firstLine, 'document-too-large', {
        message: `${part.text.length} characters`,
        expected: `at most ${limits.documentLength} in a document`,
      });
      continue;
    }
    const places = new Places(file, part.firstLine);
    const report = (offset: number, code: ProblemCodeName, problem: ProblemText, path: FieldPath = []): void => {
      problems.push(problemOf(code, problem, path, noObject, places.at(offset)));
    };
    const tokens = parseTokens(part.text, places, limits, report);
    if (tokens === undefined) continue;
    const composer = new Composer({
      version: '1.2',
      schema: 'core',
      resolveKnownTags: false,
      uniqueKeys: false,
      logLevel: 'silent',
    });
    for (const document of composer.compose(tokens)) readDocument(document, places, limits, report, documents);
  }
  return { documents, problems };
}

interface DocumentPart {
  readonly text: string;
  readonly firstLine: number;
}

/** `---` at the start of a line ends a document wherever it stands (YAML 1.2.2, 9.1.2), so each is parsed for itself. */
function* splitDocuments(text: string): Generator<DocumentPart> {
  let start = 0;
  let firstLine = 1;
  for (const { index } of text.matchAll(/(?<=^|[\n\r])---(?=[ \t\r\n]|$)/g)) {
    if (index === 0) continue;
    const part = text.slice(start, index);
    // Directives and comments alone are no document of their own: they lead the next one.
    if (!/^\uFEFF?(?:[ \t]*(?:[#%][^\n]*)?(?:\n|$))*$/.test(part)) yield { text: part, firstLine };
    for (let at = part.indexOf('\n'); at >= 0; at = part.indexOf('\n', at + 1)) firstLine += 1;
    start = index;
  }
  yield { text: text.slice(start), firstLine };
}

/** Undefined when a limit was passed: the parser is fed lexeme by lexeme, so that it never holds more than the limits. */
function parseTokens(
  text: string,
  places: Places,
  limits: DocumentLimits,
  report: DocumentReport,
): readonly CST.Token[] | undefined {
  const parser = new Parser(places.lines.addNewLine);
  places.lines.addNewLine(0);
  const tokens: CST.Token[] = [];
  let lexemes = 0;
  for (const lexeme of new Lexer().lex(text)) {
    lexemes += 1;
    if (lexemes > limits.values * LEXEMES_PER_VALUE) {
      report(parser.offset, 'too-many-values', tooManyValues(limits));
      return undefined;
    }
    for (const token of parser.next(lexeme)) tokens.push(token);
    // The document and two levels of a block map in a sequence stand on the stack beside the collections.
    if (parser.stack.length > 2 * limits.depth) {
      report(parser.offset, 'too-deep', { message: `nested deeper than ${limits.depth}` });
      return undefined;
    }
  }
  for (const token of parser.end()) tokens.push(token);
  return tokens;
}

function tooManyValues(limits: DocumentLimits): ProblemText {
  return { message: `more values than ${limits.values}, aliases expanded`, fix: 'Split the document.' };
}

type DocumentReport = (offset: number, code: ProblemCodeName, problem: ProblemText, path?: FieldPath) => void;

function readDocument(
  document: Document.Parsed,
  places: Places,
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
  documents.push({ raw, origin: new YamlOrigin(document.contents, places) });
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
      return this.#fail(node.range[0], 'too-many-values', tooManyValues(this.#limits), path);
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

/** Turns offsets of one document into lines and columns of its file. */
class Places {
  readonly file: string;
  readonly lines = new LineCounter();
  readonly #firstLine: number;

  constructor(file: string, firstLine: number) {
    this.file = file;
    this.#firstLine = firstLine;
  }

  at(offset: number): ProblemOrigin {
    const { line, col } = this.lines.linePos(offset);
    return { file: this.file, line: this.#firstLine - 1 + Math.max(1, line), column: Math.max(1, col) };
  }
}

class YamlOrigin implements DocumentOrigin {
  readonly file: string;
  readonly line: number;
  readonly #contents: ParsedNode;
  readonly #places: Places;

  constructor(contents: ParsedNode, places: Places) {
    this.file = places.file;
    this.#contents = contents;
    this.#places = places;
    this.line = places.at(contents.range[0]).line;
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
    return this.#places.at(offset);
  }
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

/** The library's messages carry an excerpt of the source after the first line. */
function oneLine(message: string): string {
  return (message.split('\n', 1)[0] ?? '').replace(/ at line \d+, column \d+:?$/, '').slice(0, 200);
}
