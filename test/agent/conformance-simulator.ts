import { createHash } from 'node:crypto';
import type { Signer } from '../../adapters/signing/signer.ts';
import { canonicalBytes } from '../../core/tuf/canonical.ts';
import { seededSigner } from '../support/seeded-signer.ts';
import { serve } from './loopback-server.ts';
import type { LoopbackServer } from './loopback-server.ts';

type Json = Readonly<Record<string, unknown>>;
type Role = Json & { readonly version: number };

const TOP_LEVEL = ['root', 'targets', 'snapshot', 'timestamp'];
const COMMON = { spec_version: '1.0.31', version: 0, expires: '2026-06-01T00:00:00Z' };

/**
 * A TUF repository in memory that serves whatever a test puts into it, however wrong: not bound to what our repositories
 * may hold, and made without the code that makes them.
 */
export class ConformanceSimulator implements AsyncDisposable {
  readonly #server: LoopbackServer;
  /** By path after the server's root, as it is asked for. */
  readonly files: Map<string, Buffer>;
  /** What the next `publish` signs, by role. Versions are counted up by it. */
  readonly roles: Record<string, Role>;
  /** Who signs a role; several are a threshold. */
  readonly signers: Record<string, readonly Signer[]>;

  constructor(server: LoopbackServer, signer: Signer, files: Map<string, Buffer>) {
    this.#server = server;
    this.files = files;
    this.roles = {
      root: { _type: 'root', ...COMMON, consistent_snapshot: true },
      targets: { _type: 'targets', ...COMMON, targets: {} },
      snapshot: { _type: 'snapshot', ...COMMON },
      timestamp: { _type: 'timestamp', ...COMMON },
    };
    this.signers = Object.fromEntries(Object.keys(this.roles).map((role) => [role, [signer]]));
  }

  get metadataUrl(): string {
    return `${this.#server.url}metadata/`;
  }

  get targetsUrl(): string {
    return `${this.#server.url}targets/`;
  }

  /** Paths that were asked for, without their folder. */
  get requests(): readonly string[] {
    return this.#server.requests.map(({ url = '' }) => url.replace(/^\/[a-z]+\//, ''));
  }

  /** Signs these roles (all if none is named) with one version more, and puts them where a client asks for them. */
  async publish(...chosen: readonly string[]): Promise<void> {
    const delegated = Object.keys(this.roles).filter((role) => !TOP_LEVEL.includes(role));
    for (const role of ['root', ...delegated, 'targets', 'snapshot', 'timestamp']) {
      if (chosen.length === 0 || chosen.includes(role)) await this.#sign(role);
    }
  }

  async #sign(role: string): Promise<void> {
    const before = this.roles[role];
    if (before === undefined) throw new Error(`no role ${role}`);
    const signed = { ...before, ...this.#derived(role), version: before.version + 1 };
    this.roles[role] = signed;
    const signatures = [];
    for (const signer of this.signers[role] ?? []) {
      const sig = await signer.sign(canonicalBytes(signed));
      signatures.push({ keyid: signer.keyId, sig });
    }
    const name = encodeURIComponent(role);
    const file = role === 'timestamp' ? 'timestamp.json' : `${signed.version}.${name}.json`;
    this.files.set(`metadata/${file}`, Buffer.from(JSON.stringify({ signed, signatures })));
  }

  /** What follows from the rest of the repository. */
  #derived(role: string): Json {
    if (role === 'timestamp') {
      return { meta: { 'snapshot.json': { version: this.roles['snapshot']?.version } } };
    }
    if (role === 'snapshot') {
      const targets = Object.entries(this.roles).filter(([, { _type }]) => _type === 'targets');
      return {
        meta: Object.fromEntries(
          targets.map(([name, { version }]) => [`${name}.json`, { version }]),
        ),
      };
    }
    if (role !== 'root') return {};
    const signers = TOP_LEVEL.flatMap((name) => this.signers[name] ?? []);
    return {
      keys: Object.fromEntries(signers.map(({ keyId, key }) => [keyId, key])),
      roles: Object.fromEntries(
        TOP_LEVEL.map((name) => {
          const keyids = (this.signers[name] ?? []).map(({ keyId }) => keyId);
          return [name, { keyids, threshold: keyids.length }];
        }),
      ),
    };
  }

  /** Puts a target into a role; its bytes may be other ones than those that are listed. */
  addTarget(
    name: string,
    bytes: Buffer,
    { role = 'targets', served = bytes, hash = 'sha256' } = {},
  ): void {
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const before: Role = this.roles[role] ?? { version: 0 };
    const listed = { [name]: { length: bytes.length, hashes: { [hash]: sha256 } } };
    this.roles[role] = { ...before, targets: Object.assign({}, before['targets'], listed) };
    const parts = name.split('/');
    const path = [...parts.slice(0, -1), `${sha256}.${parts.at(-1) ?? ''}`].join('/');
    this.files.set(`targets/${path}`, served);
  }

  /** Lets `targets` delegate these paths to a role of its own, empty for now. */
  async delegate(role: string, paths: readonly string[]): Promise<void> {
    const signer = await seededSigner(role);
    this.signers[role] = [signer];
    const { targets } = this.roles;
    this.roles[role] = { ...COMMON, _type: 'targets', targets: {} };
    this.roles['targets'] = {
      version: 0,
      ...targets,
      delegations: {
        keys: { [signer.keyId]: signer.key },
        roles: [{ name: role, keyids: [signer.keyId], threshold: 1, terminating: false, paths }],
      },
    };
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.#server[Symbol.asyncDispose]();
  }
}

/** A repository with the first version of every role. */
export async function openSimulator(): Promise<ConformanceSimulator> {
  const files = new Map<string, Buffer>();
  const server = await serve((request, response) => {
    const bytes = files.get((request.url ?? '').slice(1));
    if (bytes === undefined) response.writeHead(404).end();
    else response.end(bytes);
  });
  const simulator = new ConformanceSimulator(server, await seededSigner('first'), files);
  await simulator.publish();
  return simulator;
}
