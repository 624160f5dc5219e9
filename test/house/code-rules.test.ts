import { describe, test } from 'node:test';
import { type GlobalHome, freeInPrograms, globalHomes, sleepHomes } from './exceptions.ts';
import { assertNone } from './findings.ts';
import { packageLaw } from './package-law.ts';
import { type SourceFile, projectFiles, sourceFiles } from './source-tree.ts';
import type { UseFact } from './syntax-facts.ts';

const all = (): SourceFile[] => [...sourceFiles().values()];
/** For rules about words: the rules themselves must say them. */
const outsideThisFolder = (): SourceFile[] => all().filter(({ path }) => !path.startsWith('test/house/'));

function each(lines: (file: SourceFile) => readonly number[], what: string): string[] {
  return all().flatMap((file) => lines(file).map((line) => `${file.path}:${line}: ${what}`));
}

/** Uses beyond what `homes` allows, and homes that allow more than there is. */
function ratchet(
  uses: readonly { file: string; use: UseFact }[],
  homes: readonly GlobalHome[],
  remedy: string,
): string[] {
  const key = (file: string, global: string) => `${file} ${global}`;
  const counts = new Map<string, UseFact[]>();
  for (const { file, use } of uses) {
    const known = counts.get(key(file, use.name));
    if (known === undefined) counts.set(key(file, use.name), [use]);
    else known.push(use);
  }
  const findings: string[] = [];
  for (const [place, found] of counts) {
    const [file, ...rest] = place.split(' ');
    const most = homes.find((home) => key(home.file, home.global) === place)?.most ?? 0;
    if (found.length > most) {
      const lines = found.map(({ line }) => line).join(', ');
      findings.push(`${file}:${lines}: ${rest.join(' ')} ${found.length} times, ${most} allowed; ${remedy}`);
    }
  }
  for (const { file, global, most } of homes) {
    const found = counts.get(key(file, global))?.length ?? 0;
    if (found < most)
      findings.push(`test/house/exceptions.ts: ${file} ${global}: lower the number from ${most} to ${found}`);
  }
  return findings;
}

describe('the language', () => {
  test('has no any', () => {
    assertNone(
      each((file) => file.anyLines, 'any; write the type, or unknown and a check'),
      'No any.',
    );
  });

  test('has no default exports', () => {
    assertNone(
      each((file) => file.defaultExportLines, 'export it by name'),
      'No default exports.',
    );
  });

  test('has no export *', () => {
    assertNone(
      each((file) => file.exportAllLines, 'name what is exported'),
      'No export *.',
    );
  });

  test('of an index.ts is named re-exports and nothing else', () => {
    assertNone(
      all()
        .filter(({ path }) => /^packages\/[^/]+\/src\/index\.ts$/.test(path))
        .flatMap(({ path, ownStatementLines }) =>
          ownStatementLines.map((line) => `${path}:${line}: move this into a file of its own and re-export it by name`),
        ),
      'index.ts only says what a package offers.',
    );
  });
});

describe('names', () => {
  const banned = new Set([
    'types',
    'utils',
    'util',
    'helpers',
    'helper',
    'common',
    'misc',
    'constants',
    'interfaces',
    'shared',
    'lib',
  ]);

  test('of files say what they hold', () => {
    assertNone(
      all()
        .filter(({ path }) => banned.has(path.split('/').at(-1)!.split('.')[0]!))
        .map(
          ({ path }) => `${path}: name it after the one thing it makes; a type lives beside the function that makes it`,
        ),
      'No drawers.',
    );
  });

  test('of files and folders are kebab-case', () => {
    const part = /^[a-z0-9]+(?:-[a-z0-9]+)*$/;
    assertNone(
      all()
        .filter(
          ({ path }) =>
            !path
              .replace(/(\.test|\.bench)?\.tsx?$/, '')
              .split('/')
              .every((name) => part.test(name)),
        )
        .map(({ path }) => `${path}: rename to kebab-case`),
      'kebab-case.',
    );
  });

  test('of tests stand beside what they test', () => {
    const beside = (path: string): boolean => {
      const source = path.replace(/\.test\.ts$/, '.ts');
      const folder = path.slice(0, path.lastIndexOf('/') + 1);
      // A test of a whole folder (`golden.test.ts`, `codec-laws.test.ts`) stands in that folder.
      return (
        sourceFiles().has(source) ||
        [...sourceFiles().keys()].some((other) => other.startsWith(folder) && !other.endsWith('.test.ts'))
      );
    };
    assertNone(
      all()
        .filter(({ path, owner }) => owner !== '' && path.endsWith('.test.ts') && !beside(path))
        .map(({ path }) => `${path}: stands in a folder without sources; move it beside what it tests`),
      'Tests stand beside their sources.',
    );
  });
});

describe('time, chance and environment', () => {
  test('have named homes, and the list of homes only shrinks', () => {
    const isProgram = (owner: string): boolean => packageLaw().get(owner)?.ring === 7;
    const uses = all()
      .filter(({ production, owner }) => production && owner !== '')
      .flatMap((file) =>
        file.globals
          .filter(({ name }) => !isProgram(file.owner) || !freeInPrograms.has(name.replace(/^node:\S+ /, '')))
          .map((use) => ({ file: file.path, use })),
      );
    const remedy = 'take a port of @weft/kernel (Clock, Random, TimerWheel) or have the entry hand it in';
    assertNone(ratchet(uses, globalHomes, remedy), 'Ports, not globals.');
  });

  test('have no home above ring 1 and below ring 5', () => {
    assertNone(
      globalHomes
        .filter(({ file }) => {
          const ring = packageLaw().get(file.split('/')[1]!)?.ring ?? 0;
          return ring > 1 && ring < 5;
        })
        .map(
          ({ file, global }) => `test/house/exceptions.ts: ${file} ${global}: rings 2 to 4 are pure, without exception`,
        ),
      'Decisions are pure.',
    );
  });

  test('are not slept away in unit tests', () => {
    const isTimer = ({ name }: UseFact): boolean => /setTimeout|setInterval|scheduler/.test(name);
    const uses = all()
      .filter(({ testMaterial, owner, path }) => testMaterial && owner !== '' && !/bench/.test(path))
      .flatMap((file) => file.globals.filter(isTimer).map((use) => ({ file: file.path, use })));
    const remedy = 'use a FakeClock, an event, or eventually() of @weft/testkit';
    assertNone(ratchet(uses, sleepHomes, remedy), 'No real sleeps.');
  });
});

describe('words', () => {
  const unfinished = /\b(?:TODO|FIXME|XXX|HACK)\b/;

  test('promise nothing for later', () => {
    assertNone(
      outsideThisFolder().flatMap(({ path, text }) =>
        text
          .split('\n')
          .flatMap((line, index) =>
            unfinished.test(line) ? [`${path}:${index + 1}: do it, or write an issue and remove the line`] : [],
          ),
      ),
      'No unfinished business in the sources.',
    );
  });

  test('are not switched off for a linter or compiler without a reason beside them', () => {
    const silenced = /(?:@ts-(?:ignore|nocheck|expect-error)|(?:eslint|oxlint)-disable)(.*)$/;
    assertNone(
      outsideThisFolder().flatMap(({ path, text }) =>
        text.split('\n').flatMap((line, index) => {
          const rest = silenced.exec(line)?.[1];
          if (rest === undefined) return [];
          return /--\s+\S|:\s+\S/.test(rest)
            ? []
            : [`${path}:${index + 1}: say why, as in "-- a table reads best as one"`];
        }),
      ),
      'Silence has a reason.',
    );
  });

  test('of sources are in files that end with a line end and hold no tabs', () => {
    assertNone(
      projectFiles()
        .filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts'))
        .flatMap((path) => {
          const { text } = sourceFiles().get(path)!;
          return /^\t/m.test(text) || !text.endsWith('\n') ? [`${path}: run npm run format`] : [];
        }),
      'Formatted files.',
    );
  });
});
