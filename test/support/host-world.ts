import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import type { Repository } from '../../adapters/repository/repository.ts';
import { commitVerbs, findRelease } from '../../adapters/repository/rollouts.ts';
import type { Signer } from '../../adapters/signing/signer.ts';
import { createMemoryStorage } from '../../adapters/storage/memory.ts';
import { StorageError } from '../../adapters/storage/storage.ts';
import type { Storage } from '../../adapters/storage/storage.ts';
import { readConfig } from '../../agent/config.ts';
import { agentContext } from '../../agent/context.ts';
import type { AgentContext } from '../../agent/context.ts';
import { checkInSchema } from '../../core/check-in.ts';
import type { CheckIn } from '../../core/check-in.ts';
import { formatRelease, parseRelease } from '../../core/release.ts';
import type { ReleaseImage } from '../../core/release.ts';
import type { Rollout } from '../../core/rollout.ts';
import { imageTarget, releaseDocumentTarget, releasesRole } from '../../core/tuf/names.ts';
import type { ImageFormat } from '../../core/tuf/names.ts';
import type { PlanVerb } from '../../core/plan.ts';
import { collect } from './bytes.ts';
import { exampleRepository, PLATFORM } from './example-repository.ts';
import type { ExampleSigners } from './example-repository.ts';
import { startVerb, verbOf } from './rollouts.ts';

export type Reply = { readonly status: number; readonly body?: Uint8Array | string };
/** What a man in the middle does with a request; null lets it through. */
export type Tamper = (
  path: string,
  response: ServerResponse,
) => Reply | null | 'handled' | Promise<Reply | null>;

export type WorldOptions = {
  readonly now?: Date;
  readonly isStatic?: boolean;
  readonly fallback?: 'stay' | 'static';
};

type NewRelease = {
  readonly variant?: string;
  readonly rollbackTo?: readonly string[];
  readonly minimumFrom?: string | null;
  /** Whether it has an image `boot` too. */
  readonly hasBoot?: boolean;
  /** Image `root`, and how it is stored, where it is not what releases of this world have. */
  readonly root?: { readonly raw: Buffer; readonly format: ImageFormat; readonly stored: Buffer };
};

/** How long a verb of these tests lies before `now`: everything that is started is open. */
const EARLIER_MS = 60_000;

/**
 * A signed repository, a web server before it that can be told to lie, a scripted update server, and one host with its
 * disk. Time stands still at `now` unless a test moves it.
 */
export class HostWorld implements AsyncDisposable {
  readonly folder: string;
  readonly storage: Storage;
  readonly repository: Repository;
  readonly signers: ExampleSigners;
  /** Keys that roles got later: commits of this world are signed with them too. */
  readonly newSigners: Signer[] = [];
  now: Date;
  tamper: Tamper = () => null;
  /** What the update server answers; a number is a status. */
  answer: (checkIn: CheckIn) => object | number = () => stay('up-to-date');
  readonly checkIns: CheckIn[] = [];
  /** Paths in the order in which they were asked for. */
  readonly requests: string[] = [];
  readonly events: { readonly event: string; readonly details: object }[] = [];
  readonly #server: Server;
  #url = '';
  readonly #options: WorldOptions;

  constructor(
    base: Pick<HostWorld, 'folder' | 'storage' | 'repository' | 'signers' | 'now'>,
    options: WorldOptions,
  ) {
    this.folder = base.folder;
    this.storage = base.storage;
    this.repository = base.repository;
    this.signers = base.signers;
    this.now = base.now;
    this.#options = options;
    this.#server = createServer((request, response) => {
      void this.#serve(request, response);
    });
  }

  get url(): string {
    return this.#url;
  }

  get configFile(): string {
    return join(this.folder, 'agent.toml');
  }

  async open(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const address = this.#server.address();
    this.#url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
    await writeFile(this.configFile, this.#config());
  }

  #config(): string {
    const { isStatic = false, fallback = 'stay' } = this.#options;
    const lines = [
      "state = 'state'",
      '[host]',
      "id = 'host-1'",
      `variant = '${PLATFORM.variant}'`,
      `arch = '${PLATFORM.arch}'`,
      'seed = 1000',
      ...(isStatic ? [] : ['[server]', `url = '${this.#url}'`, `fallback = '${fallback}'`]),
      '[repository]',
      "root = 'root.json'",
      ...(isStatic
        ? [
            `metadata-url = '${this.#url}/repo/metadata/'`,
            `targets-url = '${this.#url}/repo/targets/'`,
          ]
        : []),
      '[slots]',
      "kind = 'directory'",
      "path = 'slots'",
    ];
    return `${lines.join('\n')}\n`;
  }

  /** A new context is what a restarted agent has. */
  async agent(): Promise<AgentContext> {
    return agentContext(await readConfig(this.configFile), {
      now: () => this.now,
      signal: new AbortController().signal,
      onEvent: (event, details) => {
        this.events.push({ event, details });
      },
    });
  }

  /** Publishes a release of two images or three, one of them compressed, and returns its images raw. */
  async publish(version: string, change: NewRelease = {}): Promise<Record<string, Buffer>> {
    const { variant = PLATFORM.variant, rollbackTo = [], minimumFrom = null } = change;
    const platform = { variant, arch: PLATFORM.arch };
    const raw = {
      root: change.root?.raw ?? Buffer.from(`root of ${variant} ${version} `.repeat(4000)),
      hash: Buffer.from(`hash of ${variant} ${version}`),
    };
    const { format, stored } = change.root ?? {
      format: 'zstd' as const,
      stored: zstdCompressSync(raw.root),
    };
    const files = [
      await this.#upload({ ...platform, version, image: 'root', format }, raw.root, stored),
      await this.#upload({ ...platform, version, image: 'hash', format: 'raw' }, raw.hash),
    ];
    const boot = Buffer.from(`boot of ${variant} ${version} `.repeat(30));
    if (change.hasBoot === true) {
      files.push(await this.#upload({ ...platform, version, image: 'boot', format: 'raw' }, boot));
    }
    const document = formatRelease({
      ...platform,
      ...{ schema: 'tidegate.release/1', version, rollbackTo, minimumFrom },
      images: Object.fromEntries(files.map(({ name, image }) => [name, image])),
      ...{ verity: null, migrations: [], notes: null, createdAt: '2026-01-01T00:00:00Z' },
    });
    const target = releaseDocumentTarget({ ...platform, version });
    const { release, online } = this.signers;
    await this.repository.commit({
      signers: [release, online, ...this.newSigners],
      edit: () => ({
        roles: new Map([
          [
            releasesRole(platform),
            {
              add: files.map(({ listed }) => listed),
              addFiles: [{ name: target, bytes: document }],
            },
          ],
        ]),
      }),
    });
    return change.hasBoot === true ? { ...raw, boot } : raw;
  }

  async #upload(
    what: { variant: string; arch: string; version: string; image: string; format: ImageFormat },
    raw: Buffer,
    stored = raw,
  ) {
    const name = imageTarget(what);
    const sha256 = sha256Of(stored);
    const open = async function* () {
      yield stored;
    };
    await this.repository.uploadTarget({ name, size: stored.length, sha256, open });
    const image: ReleaseImage = {
      target: name,
      format: what.format,
      size: raw.length,
      sha256: sha256Of(raw),
    };
    return { name: what.image, image, listed: { name, length: stored.length, sha256 } };
  }

  async verb(...verbs: readonly PlanVerb[]): Promise<readonly Rollout[]> {
    const { rollouts, rejected } = await commitVerbs(this.repository, {
      signers: [this.signers.online, ...this.newSigners],
      verbs,
      now: this.now,
    });
    const [first] = rejected;
    if (first !== undefined) throw first.error;
    return rollouts;
  }

  /** Starts a rollout of a published release a minute ago: without a policy it reaches everyone at once. */
  async start(version: string, change: Parameters<typeof startVerb>[1] = {}): Promise<Rollout> {
    const state = await this.repository.load();
    const release = await findRelease(this.repository, state, { ...PLATFORM, version });
    const at = new Date(this.now.getTime() - EARLIER_MS);
    const rollouts = await this.verb(startVerb(release, { at, startAt: at, ...change }));
    const rollout = rollouts.find(({ release: { version: own } }) => own === version);
    if (rollout === undefined) throw new Error('no rollout was started');
    return rollout;
  }

  async change(kind: Parameters<typeof verbOf>[0], rollout: Rollout): Promise<void> {
    await this.verb(verbOf(kind, rollout, this.now));
  }

  /** Publishes a manifest that no tool of ours would make: what a thief of the online key could sign. */
  async signManifest(manifest: object): Promise<void> {
    const bytes = Buffer.from(JSON.stringify(manifest));
    await this.repository.commit({
      signers: [this.signers.online, ...this.newSigners],
      edit: () => ({
        roles: new Map([['rollouts', { replace: [{ name: 'manifest.json', bytes }] }]]),
      }),
    });
  }

  /** The version in the active slot; throws unless every image there is what its document says. */
  async activeVersion(): Promise<string | null> {
    const link = await readlink(join(this.folder, 'slots', 'active')).catch(() => null);
    if (link === null) return null;
    const slot = join(this.folder, 'slots', link);
    const release = parseRelease(await readFile(join(slot, 'release.json')));
    for (const [name, { sha256 }] of Object.entries(release.images)) {
      if (sha256Of(await readFile(join(slot, name))) !== sha256) {
        throw new Error(`image ${name} of the active slot is broken`);
      }
    }
    return release.version;
  }

  /** Requests for images, without metadata and documents. */
  get imageRequests(): readonly string[] {
    return this.requests.filter((path) => /-(?:root\.zst|hash)$/.test(path));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = new URL(request.url ?? '/', 'http://host').pathname;
    this.requests.push(path);
    const tampered = await this.tamper(path, response);
    if (tampered === 'handled') return;
    const reply = tampered ?? (await this.#honest(path, request));
    response.statusCode = reply.status;
    response.end(reply.body);
  }

  async #honest(path: string, request: IncomingMessage): Promise<Reply> {
    if (path === '/api/v1/check-in') {
      const body: unknown = JSON.parse((await collect(request)).toString());
      const checkIn = checkInSchema.parse(body);
      this.checkIns.push(checkIn);
      const answer = this.answer(checkIn);
      return typeof answer === 'number'
        ? { status: answer, body: '{}' }
        : { status: 200, body: JSON.stringify(answer) };
    }
    try {
      const { body } = await this.storage.get(path.replace(/^\/repo\//, ''));
      return { status: 200, body: await collect(body) };
    } catch (error) {
      if (error instanceof StorageError) return { status: 404 };
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** A world with releases 1.0.0 and 1.1.0 (which may go back to 1.0.0) and nothing rolled out. */
export async function hostWorld(options: WorldOptions = {}): Promise<HostWorld> {
  const storage = createMemoryStorage();
  const now = options.now ?? new Date('2040-01-01T00:10:00Z');
  const { repository, signers, firstRoot } = await exampleRepository(storage, (_, { release }) => ({
    releases: [PLATFORM, { ...PLATFORM, variant: 'metal-dev' }].map((platform) => ({
      ...platform,
      keys: [release.key],
      threshold: 1,
    })),
  }));
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-host-'));
  await writeFile(join(folder, 'root.json'), firstRoot);
  const world = new HostWorld({ folder, storage, repository, signers, now }, options);
  await world.open();
  await world.publish('1.0.0');
  await world.publish('1.1.0', { rollbackTo: ['1.0.0'] });
  return world;
}

export function stay(reason: string): object {
  return { decision: 'stay', reason, nextCheckInSeconds: 60 };
}

/** The server sends every host that does not run it yet to this release. */
export function sendTo(
  version: string,
  change: { readonly rolloutId?: string; readonly direction?: 'forward' | 'rollback' } = {},
): (checkIn: CheckIn) => object {
  return ({ host }) =>
    host.version === version
      ? stay('up-to-date')
      : {
          decision: 'update',
          release: { version, document: releaseDocumentTarget({ ...PLATFORM, version }) },
          rolloutId: change.rolloutId ?? `rollout-${version}`,
          direction: change.direction ?? 'forward',
          nextCheckInSeconds: 60,
        };
}

function sha256Of(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
