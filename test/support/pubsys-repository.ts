import { createHash } from 'node:crypto';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { compressFrameSync } from 'lz4-napi';
import { canonicalBytes } from '../../core/tuf/canonical.ts';
import { exampleSigner } from './example-keys.ts';
import type { ExampleKey } from './example-keys.ts';

export type PubsysUpdate = {
  readonly version: string;
  readonly maxVersion?: string;
  readonly waves?: Readonly<Record<string, string>>;
  /** What makes its images differ from those of other versions. */
  readonly label?: string;
};

export type PubsysOptions = {
  readonly variant?: string;
  readonly arch?: string;
  readonly updates: readonly PubsysUpdate[];
  readonly migrations?: Readonly<Record<string, readonly string[]>>;
  /** `pubsys` makes <variant>/<arch>/ and targets/, `tuftool` metadata/ and targets/. */
  readonly layout?: 'pubsys' | 'tuftool';
  readonly key?: ExampleKey;
  /** The keytype in the metadata, where it is not our own word. */
  readonly keytype?: string;
  readonly rootVersion?: number;
  readonly expires?: string;
  readonly version?: number;
  /** Images whose lz4 frames are broken, and signed as they are. */
  readonly damagedImages?: boolean;
  /** Fields beside Bottlerocket's in the manifest. */
  readonly extra?: Readonly<Record<string, unknown>>;
};

/** UNIX seconds, as pubsys numbers what it signs. */
const VERSION = 1_772_000_000;
/** tough writes as many digits as it has. */
const EXPIRES = '2026-04-01T00:56:48.450414123Z';

export type PubsysRepository = {
  readonly manifest: string;
  /** Path below the folder, by target name. */
  readonly files: ReadonlyMap<string, string>;
  readonly metadataFolder: string;
};

export function imageNames(variant: string, arch: string, version: string) {
  const stem = `bottlerocket-${variant}-${arch}-${version}-0123abcd`;
  return {
    boot: `${stem}-boot.ext4.lz4`,
    root: `${stem}-root.ext4.lz4`,
    hash: `${stem}-root.verity.lz4`,
  };
}

/** The raw bytes of an image, of a few lz4 blocks. */
export function rawImage(image: string, label: string): Buffer {
  return Buffer.from(`${image} of ${label} `.repeat(image === 'root' ? 20_000 : 10));
}

/** A repository in this folder as pubsys or tuftool leave it, signed as tough signs; its root lies in root.json. */
export async function writePubsysRepository(
  folder: string,
  options: PubsysOptions,
): Promise<PubsysRepository> {
  const { variant = 'aws-k8s-1.32', arch = 'x86_64', layout = 'pubsys' } = options;
  const manifest = manifestText({ ...options, variant, arch });
  const targets = new Map<string, Buffer>([['manifest.json', Buffer.from(manifest)]]);
  for (const { version, label = version } of options.updates) {
    for (const [image, name] of Object.entries(imageNames(variant, arch, version))) {
      const stored = compressFrameSync(rawImage(image, label));
      if (options.damagedImages === true) stored.fill(0xff, 4, 12);
      targets.set(name, stored);
    }
  }
  for (const name of Object.values(options.migrations ?? {}).flat()) {
    targets.set(name, compressFrameSync(Buffer.from(`program ${name}`)));
  }
  targets.set(`bottlerocket-${variant}-${arch}-${VERSION}.img.lz4`, Buffer.from('whole disk'));
  const files = await writeTargets(folder, targets);
  const metadataFolder = layout === 'pubsys' ? `${variant}/${arch}` : 'metadata';
  await writeMetadata(folder, metadataFolder, targets, options);
  return { manifest, files, metadataFolder };
}

function manifestText({
  variant,
  arch,
  updates,
  migrations = {},
  extra = {},
}: PubsysOptions & { readonly variant: string; readonly arch: string }): string {
  const listed = updates.map(({ version, maxVersion = updates.at(-1)?.version, waves = {} }) => ({
    variant,
    arch,
    version,
    max_version: maxVersion,
    waves,
    images: imageNames(variant, arch, version),
  }));
  return JSON.stringify({ updates: listed, migrations, ...extra }, null, 2);
}

async function writeTargets(folder: string, targets: ReadonlyMap<string, Uint8Array>) {
  await mkdir(join(folder, 'targets'), { recursive: true });
  await mkdir(join(folder, 'build'), { recursive: true });
  const files = new Map<string, string>();
  for (const [name, bytes] of targets) {
    const path = `targets/${sha256Of(bytes)}.${name}`;
    files.set(name, path);
    if (name === 'manifest.json') {
      await writeFile(join(folder, path), bytes);
      continue;
    }
    // pubsys and tuftool link to where the images were built.
    await writeFile(join(folder, 'build', name), bytes);
    await symlink(`../build/${name}`, join(folder, path)).catch(() => {});
  }
  return files;
}

async function writeMetadata(
  folder: string,
  metadataFolder: string,
  targets: ReadonlyMap<string, Uint8Array>,
  options: PubsysOptions,
): Promise<void> {
  const { rootVersion = 1, expires = EXPIRES, version = VERSION } = options;
  const signer = await exampleSigner(options.key ?? 'root3');
  const key = { ...signer.key, keytype: options.keytype ?? signer.key.keytype };
  const keyid = sha256Of(canonicalBytes(key));
  await mkdir(join(folder, metadataFolder), { recursive: true });
  const write = async (name: string, signed: object) => {
    const signatures = [{ keyid, sig: await signer.sign(canonicalBytes(signed)) }];
    const bytes = Buffer.from(JSON.stringify({ signed, signatures }, null, 2));
    await writeFile(join(folder, metadataFolder, name), bytes);
    return bytes;
  };
  const common = { spec_version: '1.0.0', version, expires };
  const role = { keyids: [keyid], threshold: 1 };
  const root = {
    _type: 'root',
    ...common,
    version: rootVersion,
    consistent_snapshot: true,
    keys: { [keyid]: key },
    roles: { root: role, snapshot: role, targets: role, timestamp: role },
  };
  const rootBytes = await write(`${rootVersion}.root.json`, root);
  await writeFile(join(folder, 'root.json'), rootBytes);
  const entries = [...targets].map(([name, bytes]) => [name, fileOf(bytes)] as const);
  const signedTargets = {
    _type: 'targets',
    ...common,
    targets: Object.fromEntries(entries),
    delegations: { keys: {}, roles: [] },
  };
  const targetsBytes = await write(`${version}.targets.json`, signedTargets);
  const snapshotBytes = await write(`${version}.snapshot.json`, {
    _type: 'snapshot',
    ...common,
    meta: { 'targets.json': { ...fileOf(targetsBytes), version } },
  });
  await write('timestamp.json', {
    _type: 'timestamp',
    ...common,
    meta: { 'snapshot.json': { ...fileOf(snapshotBytes), version } },
  });
}

function fileOf(bytes: Uint8Array) {
  return { length: bytes.length, hashes: { sha256: sha256Of(bytes) } };
}

function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
