import { createHash } from 'node:crypto';
import { formatRelease } from '../../../core/release.ts';
import type { Release } from '../../../core/release.ts';
import { imageTarget } from '../../../core/tuf/names.ts';
import { superblockOf } from '../../core/verity/superblocks.ts';
import { formatted } from '../../core/verity/trees.ts';

export type SampleRelease = {
  readonly version: string;
  readonly images: Readonly<Record<string, Buffer>>;
  readonly document: Uint8Array;
};

/** A release with two images whose bytes tell their version. */
export function sampleRelease(version: string, size = 70_000): SampleRelease {
  return releaseOf(version, {
    boot: Buffer.alloc(size >> 1, `boot ${version} `),
    root: Buffer.alloc(size, `root ${version} `),
  });
}

export type VerityParts = { root: Buffer; hash: Buffer; rootHash: string };

/** A release whose `hash` holds the dm-verity tree of `root`, signed after `change` was done to its parts. */
export function sampleVerityRelease(
  version: string,
  change: (parts: VerityParts) => void = () => {},
): SampleRelease {
  const root = Buffer.alloc(137 * 512, `root ${version} `);
  const superblock = superblockOf({ dataBlockSize: 512, hashBlockSize: 512, dataBlocks: 137 });
  const { hashImage: hash, rootHash } = formatted(superblock, [root]);
  const parts = { root, hash, rootHash };
  change(parts);
  return releaseOf(
    version,
    { root: parts.root, hash: parts.hash },
    { image: 'root', hashImage: 'hash', rootHash: parts.rootHash },
  );
}

/** A release of these very images, stored raw. */
export function releaseOf(
  version: string,
  images: Readonly<Record<string, Buffer>>,
  verity: Release['verity'] = null,
): SampleRelease {
  const described = Object.entries(images).map(([image, bytes]) => {
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    return [image, { size: bytes.length, sha256 }] as const;
  });
  const document = releaseDocument(version, Object.fromEntries(described), verity);
  return { version, images, document };
}

/** The document of a release of raw images. */
export function releaseDocument(
  version: string,
  images: Readonly<Record<string, { readonly size: number; readonly sha256: string }>>,
  verity: Release['verity'],
): Uint8Array {
  const platform = { variant: 'test', arch: 'x86_64', version };
  const format = 'raw' as const;
  const described = Object.entries(images).map(([image, bytes]) => {
    const target = imageTarget({ ...platform, image, format });
    return [image, { target, format, ...bytes }] as const;
  });
  return formatRelease({
    schema: 'tidegate.release/1',
    ...platform,
    images: Object.fromEntries(described),
    verity,
    minimumFrom: null,
    rollbackTo: [],
    migrations: [],
    notes: null,
    createdAt: '2026-03-01T12:00:00Z',
  });
}
