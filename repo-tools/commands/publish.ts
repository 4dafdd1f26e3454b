import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Command } from 'commander';
import { formatOfFile } from '../../adapters/compression/decompress.ts';
import { openRepository } from '../../adapters/repository/repository.ts';
import type { EditPlan } from '../../adapters/repository/repository.ts';
import type { Io } from '../../adapters/terminal/io.ts';
import { formatBytes, startProgress } from '../../adapters/terminal/progress.ts';
import { readServerToken } from '../../adapters/terminal/server-record.ts';
import { ProvenanceError } from '../../core/provenance.ts';
import { IMAGE_FORMATS } from '../../core/tuf/names.ts';
import type { ImageFormat } from '../../core/tuf/names.ts';
import { commitDirectly, commitNothing, commitThroughServer, greetServer } from '../commit-role.ts';
import type { ServerTarget } from '../control/call.ts';
import { printDryRun } from '../dry-run.ts';
import { expiryPolicyOption } from '../expiry-policy.ts';
import type { ImageSource } from '../images.ts';
import { openSigners } from '../open-signers.ts';
import { openStorageFor } from '../open-storage.ts';
import { publish } from '../publish.ts';
import type { PublishOrder } from '../publish.ts';
import { print, UsageError } from '../usage.ts';

// Readers take small targets whole into memory, and refuse more than this.
const MAX_PROVENANCE_BYTES = 16 * 1024 * 1024;

type Options = {
  readonly variant: string;
  readonly arch: string;
  readonly version: string;
  readonly image: readonly string[];
  readonly format?: readonly string[];
  readonly rollbackTo?: readonly string[];
  readonly minimumFrom?: string;
  readonly notes?: string;
  readonly verityRootHash?: string;
  readonly provenance?: string;
  readonly releaseKey?: readonly string[];
  readonly onlineKey?: readonly string[];
  readonly server?: string;
  readonly expiryPolicy?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
};

export function publishCommand(io: Io): Command {
  return new Command('publish')
    .description('sign a release and commit it to the repository; hosts get it by a rollout')
    .argument('<storage>', 'file:FOLDER or s3://BUCKET/PREFIX')
    .requiredOption('--variant <name>', 'variant of the release')
    .requiredOption('--arch <name>', 'arch of the release')
    .requiredOption('--version <version>', 'semantic version of the release')
    .requiredOption(
      '--image <name=file...>',
      'an image; .lz4 and .zst files are stored as they are',
    )
    .option('--format <[name=]format...>', 'raw, lz4 or zstd, where the suffix does not tell')
    .option('--rollback-to <version...>', 'versions that hosts on this release may be sent back to')
    .option('--minimum-from <version>', 'older hosts must step through an earlier release')
    .option('--notes <url>', 'where people read about the release')
    .option(
      '--verity-root-hash <hex>',
      'dm-verity root hash of image root with its tree in image hash',
    )
    .option('--provenance <file>', 'in-toto statement about the images (SLSA), kept beside them')
    .option('--release-key <source...>', 'keys of the releases role')
    .option(
      '--online-key <source...>',
      'keys of snapshot and timestamp, to commit without a server',
    )
    .option('--server <url>', 'let this server commit it, so that no online key is needed')
    .option('--expiry-policy <file>', 'TOML with releases_expiration and the like')
    .option('--dry-run', 'print what would be signed and sent; open no key, write nothing')
    .option('--json', 'print the result as one line of JSON')
    .addHelpText(
      'after',
      '\nExample:\n  tidegate publish file:repo --variant aws-k8s-1.32 --arch x86_64 --version 1.1.0 \\\n' +
        '    --image boot=b.img --image root=r.img.zst --image hash=h.img --rollback-to 1.0.0 \\\n' +
        '    --release-key file:keys/release.pem --online-key file:keys/online.pem\n' +
        '  in CI: … --release-key aws-kms:alias/release --server https://updates.example.com',
    )
    .action((storage: string, options: Options) => run(io, storage, options));
}

async function run(io: Io, url: string, options: Options): Promise<void> {
  const order = await orderOf(io, options);
  if (options.dryRun === true) return dryRun(io, url, order, options);
  if (options.releaseKey === undefined) {
    throw new UsageError('usage/option', 'give --release-key, or --dry-run');
  }
  const server = await serverOf(io, options);
  const expiry = await expiryPolicyOption(io, options.expiryPolicy);
  await using storage = await openStorageFor(io, url, 'write');
  await using keys = new AsyncDisposableStack();
  const signers = await openSigners(io, keys, options.releaseKey);
  const online = await openSigners(io, keys, server === null ? options.onlineKey : []);
  const repository = openRepository({ storage, now: io.now, expiry });
  if (server !== null) await greetServer(server);
  const { isNew, release, document, images } = await publish(order, {
    repository,
    signers,
    commit:
      server === null
        ? commitDirectly(repository, [...signers, ...online])
        : commitThroughServer(repository, { signers, server }),
    now: io.now(),
    listener: { begin: (label, totalBytes) => startProgress(io, label, totalBytes) },
  });
  const { variant, arch, version } = release;
  print(io, options.json, { isNew, variant, arch, version, document, images }, [
    isNew
      ? `published ${variant} ${arch} ${version}`
      : `${variant} ${arch} ${version} was published before, with the same images; nothing to do`,
    ...images.map(({ target, length }) => `  ${target} (${formatBytes(length)})`),
    `  ${document}`,
  ]);
}

async function dryRun(io: Io, url: string, order: PublishOrder, options: Options): Promise<void> {
  const expiry = await expiryPolicyOption(io, options.expiryPolicy);
  await using storage = await openStorageFor(io, url, 'read');
  const repository = openRepository({ storage, now: io.now, expiry });
  const plans: EditPlan[] = [];
  await publish(order, {
    repository,
    signers: null,
    commit: commitNothing(repository, (plan) => plans.push(plan)),
    now: io.now(),
    listener: { begin: (label, totalBytes) => startProgress(io, label, totalBytes) },
  });
  printDryRun(io, options.json, plans);
}

/** Null is to commit with the online keys that were given. */
async function serverOf(io: Io, options: Options): Promise<ServerTarget | null> {
  const url =
    options.server ?? (options.onlineKey === undefined ? io.env['TIDEGATE_SERVER'] : undefined);
  if ((url === undefined) === (options.onlineKey === undefined)) {
    throw new UsageError('usage/option', 'give either --online-key or --server', {
      hints: ['--server commits with the keys of the server, so that CI needs only --release-key'],
    });
  }
  return url === undefined ? null : { url, token: await readServerToken(url, io.env) };
}

async function orderOf(io: Io, options: Options): Promise<PublishOrder> {
  const { variant, arch, version } = options;
  return {
    variant,
    arch,
    version,
    images: imagesOf(io, options),
    rollbackTo: options.rollbackTo ?? [],
    minimumFrom: options.minimumFrom ?? null,
    notes: options.notes ?? null,
    verityRootHash: options.verityRootHash ?? null,
    provenance:
      options.provenance === undefined
        ? null
        : await readStatement(resolve(io.cwd, options.provenance)),
  };
}

async function readStatement(path: string): Promise<Uint8Array> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new ProvenanceError('provenance/unreadable', `cannot read provenance ${path}`, { cause });
  }
  if (bytes.length <= MAX_PROVENANCE_BYTES) return bytes;
  throw new ProvenanceError(
    'provenance/unreadable',
    `provenance may have ${MAX_PROVENANCE_BYTES} bytes, got ${bytes.length}`,
  );
}

function imagesOf(io: Io, options: Options): readonly ImageSource[] {
  const formats = (options.format ?? []).map((text) => formatOption(text));
  const images = options.image.map((text) => {
    const [, image, path] = /^([^=]+)=(.+)$/s.exec(text) ?? [];
    if (image === undefined || path === undefined) {
      throw new UsageError('usage/option', `--image must be like root=r.img, got '${text}'`);
    }
    const named = formats.find((format) => format.image === image || format.image === null);
    return { image, path: resolve(io.cwd, path), format: named?.format ?? formatOfFile(path) };
  });
  const names = images.map(({ image }) => image);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new UsageError('usage/option', `--image ${twice} is given twice`);
  const stray = formats.find(({ image }) => image !== null && !names.includes(image));
  if (stray !== undefined) {
    throw new UsageError('usage/option', `--format names ${stray.image}, which is no --image`);
  }
  return images;
}

/** `zstd` is for all images, `root=zstd` for one. */
function formatOption(text: string): {
  readonly image: string | null;
  readonly format: ImageFormat;
} {
  const [, image, name = text] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  const format = IMAGE_FORMATS.find((known) => known === name);
  if (format === undefined) {
    throw new UsageError('usage/option', `--format must be raw, lz4 or zstd, got '${text}'`);
  }
  return { image: image ?? null, format };
}
