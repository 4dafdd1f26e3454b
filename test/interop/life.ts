import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { metadataObject, readObject } from '../../adapters/repository/objects.ts';
import { openRepository } from '../../adapters/repository/repository.ts';
import { openStorage } from '../../adapters/storage/open.ts';
import type { Storage } from '../../adapters/storage/storage.ts';
import { parseManifest } from '../../core/manifest.ts';
import { releaseDocumentTarget, releasesRole } from '../../core/tuf/names.ts';
import { makeWorkplace } from '../support/cli.ts';
import type { Workplace } from '../support/cli.ts';

export const PLATFORM = { variant: 'aws-k8s-1.32', arch: 'x86_64' };
/** A second platform, so that there is a delegation beside the one that is read. */
export const OTHER_PLATFORM = 'metal-dev:aarch64';

const KEY_NAMES = ['root1', 'root2', 'root3', 'targets', 'online', 'release'] as const;
type KeyName = (typeof KEY_NAMES)[number];
export type KeyTypes = Readonly<Record<KeyName, 'ed25519' | 'ecdsa-p256' | 'rsa'>>;

/** Who holds keys, and the types of those keys by the names that they have in a life. */
const HOLDERS = {
  root: ['root1', 'root2', 'root3'],
  targets: ['targets'],
  online: ['online'],
  release: ['release'],
} as const;
export type Holder = keyof typeof HOLDERS;

/** The first metadata was made so long ago that gc may remove what is left of it. */
const AGE_MS = 60 * 24 * 60 * 60 * 1000;

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
  /** Where its readers find it now. */
  url: string;
  readonly #types: KeyTypes;
  /** All keys that each holder ever had; the last ones count. */
  readonly #keys: Record<Holder, string[]> = { root: [], targets: [], online: [], release: [] };
  readonly #images = new Map<string, Uint8Array>();
  readonly #documents: string[] = [];

  constructor(workplace: Workplace, { keys, url = 'file:R', env = {} }: LifeOptions) {
    this.workplace = workplace;
    this.url = url;
    this.#types = keys;
    Object.assign(workplace.env, env);
  }

  /** Runs a command; its clock is the one that the clients read. */
  async run(...argv: readonly string[]): Promise<string> {
    return this.runAt(0, ...argv);
  }

  /** Runs a command so many milliseconds from now. */
  async runAt(offsetMs: number, ...argv: readonly string[]): Promise<string> {
    this.workplace.now = new Date(Date.now() + offsetMs);
    return this.workplace.must(...argv);
  }

  /** Root 2 of 3, one key for each of the other holders. */
  async init(): Promise<void> {
    for (const holder of ['root', 'targets', 'online', 'release'] as const) {
      await this.newKeys(holder);
    }
    await this.runAt(
      -AGE_MS,
      ...['repo', 'init', this.url, '--root-threshold', '2', '--root-key', ...this.keysOf('root')],
      ...['--targets-key', ...this.keysOf('targets'), '--online-key', ...this.keysOf('online')],
      ...['--release-key', `${PLATFORM.variant}:${PLATFORM.arch}=file:K/release.pem`],
      `${OTHER_PLATFORM}=file:K/release.pem`,
    );
    await this.run('repo', 'refresh', this.url, '--key', ...this.keysOf('online'));
  }

  /** Gives a holder new keys of the types that it has, without telling the repository. */
  async newKeys(holder: Holder): Promise<readonly string[]> {
    const names = HOLDERS[holder].map((name) => {
      const generation = this.#keys[holder].length / HOLDERS[holder].length;
      return { name: generation === 0 ? name : `${name}-${generation}`, type: this.#types[name] };
    });
    for (const { name, type } of names) {
      await this.run('key', 'new', '--type', type, '--out', `K/${name}.pem`);
    }
    this.#keys[holder].push(...names.map(({ name }) => name));
    return this.keysOf(holder);
  }

  /** The keys that the holder has now, as options name them. */
  keysOf(holder: Holder): readonly string[] {
    return this.#keys[holder].slice(-HOLDERS[holder].length).map((name) => `file:K/${name}.pem`);
  }

  /** A change of who may sign, which everybody who ever had a key of root, targets or releases signs at once. */
  async change(...argv: readonly string[]): Promise<string> {
    const { root, targets, release } = this.#keys;
    const people = [...root, ...targets, ...release].map((name) => `file:K/${name}.pem`);
    return this.run(
      ...['repo', ...argv, '--reason', 'a test', '--sign-with', ...people],
      ...['--online-key', ...this.keysOf('online')],
    );
  }

  async rotate(holder: Holder): Promise<void> {
    const role = holder === 'release' ? releasesRole(PLATFORM) : holder;
    await this.change('rotate', role, this.url, '--new-key', ...(await this.newKeys(holder)));
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
      ...this.releaseKeys(),
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
      ...['--storage', this.url, '--online-key', ...this.keysOf('online')],
    );
  }

  /** Changes a release: `amend` or `withdraw`. */
  async release(verb: string, version: string, ...more: readonly string[]): Promise<void> {
    const platform = ['--variant', PLATFORM.variant, '--arch', PLATFORM.arch];
    await this.run(
      ...['release', verb, this.url, ...platform, '--version', version, '--reason', 'a test'],
      ...more,
      ...this.releaseKeys(),
    );
    if (verb !== 'withdraw') return;
    const prefix = `${PLATFORM.variant}-${PLATFORM.arch}-${version}-`;
    [...this.#images.keys()]
      .filter((name) => name.startsWith(prefix))
      .forEach((name) => this.#images.delete(name));
  }

  releaseKeys(): readonly string[] {
    const [release, online] = [this.keysOf('release'), this.keysOf('online')];
    return ['--release-key', ...release, '--online-key', ...online];
  }

  /** Makes the readers of the next states look for a release that came by another way than `publish`. */
  expect(version: string, images: ReadonlyMap<string, Uint8Array>): void {
    for (const [name, bytes] of images) this.#images.set(name, bytes);
    this.#documents.push(releaseDocumentTarget({ ...PLATFORM, version }));
  }

  /** The newest rollout. */
  async currentRollout(): Promise<string> {
    const id = parseManifest(await this.#manifest()).rollouts.at(-1)?.id;
    if (id === undefined) throw new Error('there is no rollout');
    return id;
  }

  async shown(): Promise<Shown> {
    const manifest = await this.#manifest();
    const { updates }: { readonly updates: readonly { readonly version: string }[] } =
      JSON.parse(manifest);
    return {
      rollouts: parseManifest(manifest).rollouts.map(({ state }) => state),
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

  async root(version: number): Promise<Uint8Array> {
    await using storage = await this.openStorage();
    return (await readObject(storage, metadataObject('root', version), 100_000)).bytes;
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
