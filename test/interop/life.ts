import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { readObject } from '../../adapters/repository/objects.ts';
import { openRepository } from '../../adapters/repository/repository.ts';
import { openStorage } from '../../adapters/storage/open.ts';
import type { Storage } from '../../adapters/storage/storage.ts';
import { parseManifest } from '../../core/manifest.ts';
import { releaseDocumentTarget } from '../../core/tuf/names.ts';
import { makeWorkplace } from '../support/cli.ts';
import type { Workplace } from '../support/cli.ts';

export const PLATFORM = { variant: 'aws-k8s-1.32', arch: 'x86_64' };
/** A second platform, so that there is a delegation beside the one that is read. */
const OTHER_PLATFORM = 'metal-dev:aarch64';

const KEY_NAMES = ['root1', 'root2', 'root3', 'targets', 'online', 'release'] as const;
type KeyName = (typeof KEY_NAMES)[number];
export type KeyTypes = Readonly<Record<KeyName, 'ed25519' | 'ecdsa-p256' | 'rsa'>>;

export type LifeOptions = {
  readonly keys: KeyTypes;
  /** `file:R` in the workplace, or a bucket whose credentials are in `env`. */
  readonly url?: string;
  readonly env?: Readonly<Record<string, string>>;
};

/** What a manifest must say in a state: every rollout in order, and the versions offered to Bottlerocket hosts. */
export type Shown = { readonly rollouts: readonly string[]; readonly offered: readonly string[] };

/** A repository that the commands make and change, with what its readers must find. Its clock is the real one. */
export class Life implements AsyncDisposable {
  readonly workplace: Workplace;
  readonly url: string;
  readonly #keys: KeyTypes;
  readonly #images = new Map<string, Uint8Array>();
  readonly #documents: string[] = [];

  constructor(workplace: Workplace, { keys, url = 'file:R', env = {} }: LifeOptions) {
    this.workplace = workplace;
    this.url = url;
    this.#keys = keys;
    Object.assign(workplace.env, env);
  }

  /** Runs a command; its clock is the one that the clients read. */
  async run(...argv: readonly string[]): Promise<string> {
    this.workplace.now = new Date();
    return this.workplace.must(...argv);
  }

  /** Root 2 of 3, one key for each of the other holders. */
  async init(): Promise<void> {
    for (const name of KEY_NAMES) {
      await this.run('key', 'new', '--type', this.#keys[name], '--out', `K/${name}.pem`);
    }
    await this.run(
      ...['repo', 'init', this.url, '--root-threshold', '2', '--root-key'],
      ...['file:K/root1.pem', 'file:K/root2.pem', 'file:K/root3.pem'],
      ...['--targets-key', 'file:K/targets.pem', '--online-key', 'file:K/online.pem'],
      ...['--release-key', `${PLATFORM.variant}:${PLATFORM.arch}=file:K/release.pem`],
      `${OTHER_PLATFORM}=file:K/release.pem`,
    );
  }

  /** A release with the three images that Bottlerocket hosts need; a later one may be sent back to `rollbackTo`. */
  async publish(version: string, ...rollbackTo: readonly string[]): Promise<void> {
    const root = zstdCompressSync(Buffer.from(`root image of ${version} `.repeat(20_000)));
    // Not compressible, and larger than what a client reads at once.
    const boot = deterministicBytes(`boot image of ${version}`, 300_000);
    await writeFile(join(this.workplace.folder, 'root.img.zst'), root);
    await writeFile(join(this.workplace.folder, 'boot.img'), boot);
    const hash = Buffer.from(`hash image of ${version}`);
    await writeFile(join(this.workplace.folder, 'hash.img'), hash);
    await this.run(
      ...['publish', this.url, '--variant', PLATFORM.variant, '--arch', PLATFORM.arch],
      ...[
        '--version',
        version,
        '--image',
        'root=root.img.zst',
        '--image',
        'boot=boot.img',
        '--image',
        'hash=hash.img',
      ],
      ...['--release-key', 'file:K/release.pem', '--online-key', 'file:K/online.pem'],
      ...rollbackTo.flatMap((earlier) => ['--rollback-to', earlier]),
    );
    const prefix = `${PLATFORM.variant}-${PLATFORM.arch}-${version}`;
    this.#images.set(`${prefix}-root.zst`, root);
    this.#images.set(`${prefix}-boot`, boot);
    this.#images.set(`${prefix}-hash`, hash);
    this.#documents.push(releaseDocumentTarget({ ...PLATFORM, version }));
  }

  /** Starts a rollout in waves, so long ago that some hosts are let through by now, and returns its id. */
  async start(version: string): Promise<string> {
    await writeFile(
      join(this.workplace.folder, 'waves.toml'),
      "[[waves]]\nstart_after = '1 minute'\nfleet_percentage = 10\n" +
        "[[waves]]\nstart_after = '1 day'\nfleet_percentage = 100\n",
    );
    const platform = ['--variant', PLATFORM.variant, '--arch', PLATFORM.arch];
    const startAt = new Date(Date.now() - 3_600_000).toISOString();
    return this.rollout(
      ...['start', ...platform, '--version', version, '--policy', 'waves.toml'],
      ...['--start-at', startAt],
    );
  }

  async rollout(...argv: readonly string[]): Promise<string> {
    return this.run(
      ...['rollout', ...argv],
      ...['--storage', this.url, '--online-key', 'file:K/online.pem'],
    );
  }

  /** The newest rollout. */
  async currentRollout(): Promise<string> {
    const id = parseManifest(await this.#manifest()).at(-1)?.id;
    if (id === undefined) throw new Error('there is no rollout');
    return id;
  }

  async shown(): Promise<Shown> {
    const manifest = await this.#manifest();
    const { updates }: { readonly updates: readonly { readonly version: string }[] } =
      JSON.parse(manifest);
    return {
      rollouts: parseManifest(manifest).map(({ state }) => state),
      offered: updates.map(({ version }) => version),
    };
  }

  async #manifest(): Promise<string> {
    return Buffer.from(await this.#readTarget('manifest.json')).toString();
  }

  /** For reading only, as a web server in front of it has it. */
  async openStorage(): Promise<Storage> {
    const { folder: cwd, env } = this.workplace;
    return openStorage(this.url, { access: 'read', cwd, env });
  }

  /** The targets to read with their bytes: images as they were made, signed documents as our own loader reads them. */
  async expected(): Promise<ReadonlyMap<string, Uint8Array>> {
    const expected = new Map(this.#images);
    for (const name of ['manifest.json', ...this.#documents]) {
      expected.set(name, await this.#readTarget(name));
    }
    return expected;
  }

  async #readTarget(name: string): Promise<Uint8Array> {
    await using storage = await this.openStorage();
    const repository = openRepository({ storage, now: () => new Date() });
    return repository.readTarget(await repository.load(), name);
  }

  async firstRoot(): Promise<Uint8Array> {
    await using storage = await this.openStorage();
    return (await readObject(storage, 'metadata/1.root.json', 100_000)).bytes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.workplace[Symbol.asyncDispose]();
  }
}

/** A repository before its first state. */
export async function beginLife(options: LifeOptions): Promise<Life> {
  return new Life(await makeWorkplace(), options);
}

function deterministicBytes(seed: string, length: number): Buffer {
  const blocks = Array.from({ length: Math.ceil(length / 32) }, (_, index) =>
    createHash('sha256').update(`${seed} ${index}`).digest(),
  );
  return Buffer.concat(blocks).subarray(0, length);
}
