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

function releaseOf(
  version: string,
  images: Readonly<Record<string, Buffer>>,
  verity: Release['verity'] = null,
): SampleRelease {
  const platform = { variant: 'test', arch: 'x86_64', version };
  const described = Object.entries(images).map(([image, bytes]) => [
    image,
    {
      target: imageTarget({ ...platform, image, format: 'raw' }),
      format: 'raw' as const,
      size: bytes.length,
      sha256: createHash('sha256').update(bytes).digest('hex'),
    },
  ]);
  const document = formatRelease({
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
  return { version, images, document };
}
