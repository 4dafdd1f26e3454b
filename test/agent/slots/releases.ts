import { createHash } from 'node:crypto';
import { formatRelease } from '../../../core/release.ts';
import { imageTarget } from '../../../core/tuf/names.ts';

export type SampleRelease = {
  readonly version: string;
  readonly images: Readonly<Record<string, Buffer>>;
  readonly document: Uint8Array;
};

/** A release with two images whose bytes tell their version. */
export function sampleRelease(version: string, size = 70_000): SampleRelease {
  const images = {
    boot: Buffer.alloc(size >> 1, `boot ${version} `),
    root: Buffer.alloc(size, `root ${version} `),
  };
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
    verity: null,
    minimumFrom: null,
    rollbackTo: [],
    migrations: [],
    notes: null,
    createdAt: '2026-03-01T12:00:00Z',
  });
  return { version, images, document };
}
