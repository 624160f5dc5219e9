/** What every source of configuration keeps to, as tests. Not exported by the package. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { eventually } from '@weft/testkit';
import type { ConfigPlace } from './config-place.ts';
import type { ObjectSource } from './object-source.ts';

/** A source under test, and how its places are written from outside. */
export interface SourceUnderTest {
  readonly source: ObjectSource;
  write(place: string, text: string): void | Promise<void>;
  remove(place: string): void | Promise<void>;
}

const WAIT_MS = 3000;

function serviceText(name: string, port = 80): string {
  return `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}, namespace: shop}\nspec: {ports: [{port: ${port}}]}\n`;
}

function namesOf(places: readonly ConfigPlace[] | undefined): string[] {
  return (places ?? []).flatMap(({ objects }) => objects.map(({ result }) => result.ref.name));
}

/**
 * Runs the suite; `make` gives a source with the given places already in it. `isText` is false for sources whose objects
 * come parsed.
 */
export function testSource(
  name: string,
  make: (t: TestContext, texts: Readonly<Record<string, string>>) => SourceUnderTest | Promise<SourceUnderTest>,
  isText = true,
): void {
  const begin = async (t: TestContext, texts: Readonly<Record<string, string>>) => {
    const made = await make(t, texts);
    const sets: (readonly ConfigPlace[])[] = [];
    const started = await made.source.start((places) => sets.push(places));
    t.after(() => made.source.stop());
    return { ...made, sets, started };
  };

  test(`${name}: the first set is whole before start resolves, in the order of its places`, async (t) => {
    const { sets, started } = await begin(t, { 'b.yaml': serviceText('b'), 'a.yaml': serviceText('a') });
    assert.equal(started.ok, true);
    assert.equal(sets.length, 1);
    assert.deepEqual(namesOf(sets[0]), ['a', 'b']);
    assert.ok(sets[0]!.every(({ whole, problems }) => whole && problems.length === 0));
  });

  test(`${name}: a change gives a new set in which what did not change is the same object`, async (t) => {
    const { sets, write } = await begin(t, { 'a.yaml': serviceText('a'), 'b.yaml': serviceText('b') });
    const first = sets[0]!;
    await write('b.yaml', serviceText('c'));
    await eventually(() => namesOf(sets.at(-1)).join() === 'a,c', WAIT_MS);
    assert.equal(sets.at(-1)![0], first[0]);
    assert.notEqual(sets.at(-1)![1], first[1]);
  });

  test(`${name}: places come and go`, async (t) => {
    const { sets, write, remove } = await begin(t, { 'a.yaml': serviceText('a') });
    await write('c.yaml', serviceText('c'));
    await eventually(() => namesOf(sets.at(-1)).join() === 'a,c', WAIT_MS);
    await remove('a.yaml');
    await eventually(() => namesOf(sets.at(-1)).join() === 'c', WAIT_MS);
  });

  const textOnly = isText ? {} : { skip: 'objects of this source come parsed' };
  test(`${name}: a place that cannot be parsed is there, not whole, and says where`, textOnly, async (t) => {
    const { sets, write } = await begin(t, { 'a.yaml': serviceText('a') });
    await write('a.yaml', `${serviceText('a')}---\nkind: [\n`);
    const place = await eventually(() => {
      const found = sets.at(-1)?.[0];
      assert.equal(found?.whole, false);
      return found!;
    }, WAIT_MS);
    assert.equal(place.problems[0]?.code, 'syntax');
    assert.ok((place.problems[0]?.origin?.line ?? 0) >= 6);
    assert.deepEqual(namesOf([place]), ['a']);
  });

  test(`${name}: an object that is refused keeps its name and says why`, async (t) => {
    const { sets } = await begin(t, { 'a.yaml': serviceText('a', 80_000) });
    const object = sets[0]?.[0]?.objects[0];
    assert.equal(object?.result.object, undefined);
    assert.equal(object?.result.ref.name, 'a');
    assert.ok(
      object!.result.problems.some(({ code, path }) => code === 'out-of-range' && path.endsWith('ports[0].port')),
    );
  });

  test(`${name}: nothing is heard after stop`, async (t) => {
    const { source, sets, write } = await begin(t, { 'a.yaml': serviceText('a') });
    await source.stop();
    const before = sets.length;
    await write('a.yaml', serviceText('b'));
    const again = await begin(t, { 'z.yaml': serviceText('z') });
    await again.write('z.yaml', serviceText('y'));
    await eventually(() => namesOf(again.sets.at(-1)).join() === 'y', WAIT_MS);
    assert.equal(sets.length, before);
  });
}
