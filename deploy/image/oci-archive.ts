import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { constants, zstdCompressSync } from 'node:zlib';
import type { Architecture } from './debian-packages.ts';
import { type TarEntry, writeTar } from './tar-archive.ts';

export interface ImageContent {
  /** `weft:0.1.0`: what the image is called where it is imported. */
  readonly name: string;
  readonly version: string;
  readonly architecture: Architecture;
  readonly layers: readonly (readonly TarEntry[])[];
}

export interface ImageArchive {
  readonly archive: Buffer;
  /** Of the manifest: the image's own name. */
  readonly digest: string;
  /** Bytes that a machine downloads. */
  readonly compressedBytes: number;
}

/** Of 12 and more each step takes twice the time for 1 % less. */
const ZSTD_LEVEL = 12;
const EPOCH = '1970-01-01T00:00:00Z';

/**
 * An OCI image layout in a tar archive, as `ctr images import`, `skopeo copy oci-archive:` and `docker load` take it. The same
 * content gives the same bytes: no times, no names of machines, and zstd, whose output does not depend on the processor, as
 * that of the gzip Node has does.
 */
export function makeImage({ name, version, architecture, layers }: ImageContent): ImageArchive {
  const blobs = new Map<string, Buffer>();
  const store = (content: Buffer, mediaType: string): Descriptor => {
    const digest = sha256(content);
    blobs.set(digest, content);
    return { mediaType, digest: `sha256:${digest}`, size: content.length };
  };
  const tars = layers.map(writeTar);
  const compressed = tars.map((tar) =>
    store(
      zstdCompressSync(tar, { params: { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL } }),
      'application/vnd.oci.image.layer.v1.tar+zstd',
    ),
  );
  const config = store(
    json({
      created: EPOCH,
      architecture,
      os: 'linux',
      config: {
        User: '15001:15001',
        Env: ['PATH=/usr/bin:/usr/sbin'],
        Entrypoint: ['/usr/bin/node', '/weft/bin/weft.cjs'],
        WorkingDir: '/',
        Labels: {
          'org.opencontainers.image.title': 'weft',
          'org.opencontainers.image.version': version,
          'org.opencontainers.image.licenses': 'Apache-2.0',
        },
      },
      rootfs: { type: 'layers', diff_ids: tars.map((tar) => `sha256:${sha256(tar)}`) },
      history: tars.map(() => ({ created: EPOCH, created_by: 'npm run image' })),
    }),
    'application/vnd.oci.image.config.v1+json',
  );
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = store(json({ schemaVersion: 2, mediaType, config, layers: compressed }), mediaType);
  const annotations = {
    'io.containerd.image.name': name.includes('/') ? name : `docker.io/library/${name}`,
    'org.opencontainers.image.ref.name': version,
  };
  const index = json({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [{ ...manifest, annotations, platform: { architecture, os: 'linux' } }],
  });
  const file = (path: string, content: Buffer): TarEntry => ({ type: 'file', path, mode: 0o644, content });
  const archive = writeTar([
    file('oci-layout', json({ imageLayoutVersion: '1.0.0' })),
    file('index.json', index),
    { type: 'folder', path: 'blobs', mode: 0o755 },
    { type: 'folder', path: 'blobs/sha256', mode: 0o755 },
    ...Array.from(blobs, ([digest, content]) => file(`blobs/sha256/${digest}`, content)),
  ]);
  return { archive, digest: manifest.digest, compressedBytes: compressed.reduce((sum, { size }) => sum + size, 0) };
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
