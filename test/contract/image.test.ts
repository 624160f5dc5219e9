/** The parts of `npm run image` that need no downloads: whole images are made by `npm run image` itself. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { billOfMaterials } from '../../deploy/image/bill-of-materials.ts';
import { elfNeeds } from '../../deploy/image/elf-needs.ts';
import { makeImage } from '../../deploy/image/oci-archive.ts';
import { type TarEntry, writeTar } from '../../deploy/image/tar-archive.ts';

const folder = mkdtempSync(join(tmpdir(), 'weft-image-'));
after(() => rmSync(folder, { recursive: true }));

const entries: TarEntry[] = [
  { type: 'folder', path: 'usr', mode: 0o755 },
  { type: 'folder', path: 'usr/bin', mode: 0o755 },
  { type: 'file', path: 'usr/bin/weft', mode: 0o755, content: Buffer.from('x'.repeat(600)) },
  { type: 'link', path: 'usr/bin/w', target: 'weft' },
];

describe('an image', () => {
  it('has layers that tar unpacks with their modes and links', () => {
    const archive = join(folder, 'layer.tar');
    writeFileSync(archive, writeTar(entries));
    execFileSync('tar', ['-xf', archive, '-C', folder]);
    assert.equal(readFileSync(join(folder, 'usr/bin/w'), 'utf8'), 'x'.repeat(600));
    assert.equal(statSync(join(folder, 'usr/bin/weft')).mode & 0o777, 0o755);
    assert.throws(() => writeTar([{ type: 'folder', path: 'a'.repeat(100), mode: 0o755 }]), /longer than 100/);
  });

  it('is the same bytes for the same files in whatever order, and names its blobs by what they hold', () => {
    const content = { name: 'weft:1', version: '1', architecture: 'arm64' } as const;
    const image = makeImage({ ...content, layers: [entries] });
    assert.deepEqual(makeImage({ ...content, layers: [entries.toReversed()] }), image);
    const archive = join(folder, 'image.tar');
    writeFileSync(archive, image.archive);
    execFileSync('tar', ['-xf', archive, '-C', folder]);
    const index = JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8')) as {
      manifests: { digest: string; platform: { architecture: string } }[];
    };
    assert.equal(index.manifests[0]?.digest, image.digest);
    assert.equal(index.manifests[0]?.platform.architecture, 'arm64');
    const blob = (digest: string): Buffer => readFileSync(join(folder, 'blobs/sha256', digest.slice('sha256:'.length)));
    const manifest = JSON.parse(blob(image.digest).toString()) as {
      config: { digest: string };
      layers: { digest: string; size: number }[];
    };
    const config = JSON.parse(blob(manifest.config.digest).toString()) as { config: { User: string } };
    assert.equal(config.config.User, '15001:15001');
    assert.equal(blob(manifest.layers[0]!.digest).length, manifest.layers[0]?.size);
  });

  it(
    'takes the libraries a program names',
    { skip: process.platform !== 'linux' && 'reads a program of Linux' },
    () => {
      const needs = elfNeeds(readFileSync(process.execPath));
      assert.ok(needs.some((name) => name.startsWith('libc.so.')) && needs.includes('libstdc++.so.6'), needs.join());
      assert.deepEqual(elfNeeds(Buffer.from('#!/bin/sh\n')), []);
    },
  );

  it('has a bill of its materials', () => {
    const text = billOfMaterials({
      version: '1',
      architecture: 'amd64',
      imageDigest: 'sha256:00',
      nodeVersion: '26',
      debian: [{ name: 'libc6', version: '2.36-9+deb12u1', sha256: 'ab' }],
      npm: [{ name: '@grpc/grpc-js', version: '1.14.7', licence: 'Apache-2.0' }],
    });
    const { packages, relationships } = JSON.parse(text) as {
      packages: { SPDXID: string; externalRefs: { referenceLocator: string }[] }[];
      relationships: unknown[];
    };
    assert.deepEqual(
      packages.map(({ externalRefs }) => externalRefs[0]?.referenceLocator),
      [
        'pkg:oci/weft@sha256%3A00?arch=amd64',
        'pkg:generic/node@26',
        'pkg:deb/debian/libc6@2.36-9%2Bdeb12u1?arch=amd64&distro=bookworm',
        'pkg:npm/%40grpc/grpc-js@1.14.7',
      ],
    );
    assert.equal(relationships.length, 4);
    assert.equal(new Set(packages.map(({ SPDXID }) => SPDXID)).size, 4);
  });
});
