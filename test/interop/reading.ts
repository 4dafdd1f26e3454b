import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { serveStorage } from '../support/serve-storage.ts';
import type { Client, Outcome } from './clients.ts';
import { beginLife } from './life.ts';
import type { Life, LifeOptions } from './life.ts';
import type { State } from './state.ts';
import { STATES } from './states.ts';

/** How a client came to a state. */
export type Way =
  'first visit' | 'from the state before' | 'first visit, from files' | `from root ${number}`;

export type Reading = {
  readonly client: string;
  readonly state: string;
  readonly way: Way;
  /** `read`, or why not. */
  readonly result: string;
};

/**
 * Clients beside a whole life of a repository: each visits every state (or only those named) for the first time, with what it
 * kept of the state before, from files where it can, and from every past root where the state asks for it.
 */
export async function readLife(
  clients: readonly Client[],
  { states = null, ...options }: LifeOptions & { readonly states?: readonly string[] | null },
): Promise<readonly Reading[]> {
  await using life = await beginLife(options);
  await using opened = new AsyncDisposableStack();
  const visitors: (readonly [Client, Visitor])[] = [];
  for (const client of clients) visitors.push([client, opened.use(await openVisitor(client))]);
  const readings: Reading[] = [];
  for (const state of STATES) {
    await state.make(life);
    const shown = JSON.stringify(await life.shown());
    if (shown !== JSON.stringify(state.shows)) throw new Error(`${state.name} shows ${shown}`);
    if (states !== null && !states.includes(state.name)) continue;
    const expected = await life.expected();
    const roots = await rootsOf(life, state);
    const ofAll = visitors.map(async ([client, visitor]) => {
      const read = async (way: Way, change: VisitChange) => {
        const result = await visitor.read(life, way, change);
        readings.push({ client: client.name, state: state.name, way, result });
      };
      for (const way of waysOf(client, life)) await read(way, { expected });
      // What the root leads to is read above.
      const manifest = new Map([...expected].filter(([name]) => name === 'manifest.json'));
      for (const [index, firstRoot] of roots.entries()) {
        await read(`from root ${index + 1}`, { expected: manifest, firstRoot });
      }
    });
    await Promise.all(ofAll);
  }
  return readings;
}

/** How many ways a client can take to a state. */
export function waysOf(client: Client, { url }: Pick<Life, 'url'>): readonly Way[] {
  return [
    'first visit',
    ...(client.remembers ? (['from the state before'] as const) : []),
    ...(client.readsFiles && url.startsWith('file:') ? (['first visit, from files'] as const) : []),
  ];
}

async function rootsOf(life: Life, { roots = 0 }: State): Promise<readonly Uint8Array[]> {
  const files = [];
  for (let version = 1; version <= roots; version += 1) files.push(await life.root(version));
  return files;
}

export type Visitor = AsyncDisposable & {
  /** `read` when the client fetched every expected target with the expected bytes; else what went wrong. */
  read(life: Life, way: Way, change?: VisitChange): Promise<string>;
};

/** For visits that must fail: what our own loader can no longer read is given, or another root is trusted. */
export type VisitChange = {
  readonly expected?: ReadonlyMap<string, Uint8Array>;
  readonly firstRoot?: Uint8Array;
};

/** A client with a place for its memories. */
export async function openVisitor(client: Client): Promise<Visitor> {
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-interop-'));
  let visits = 0;

  async function visit(life: Life, way: Way, names: readonly string[], root: Uint8Array) {
    visits += 1;
    const own = join(folder, String(visits));
    const firstRoot = `${own}.root.json`;
    await writeFile(firstRoot, root);
    const memory = way === 'from the state before' ? join(folder, 'memory') : `${own}.memory`;
    const out = `${own}.out`;
    const common = { firstRoot, names, memory, out };
    if (way === 'first visit, from files') {
      const url = pathToFileURL(join(life.workplace.folder, life.url.replace(/^file:/, ''))).href;
      const urls = { metadataUrl: `${url}/metadata`, targetsUrl: `${url}/targets` };
      return { out, outcome: await client.visit({ ...common, ...urls }) };
    }
    await using storage = await life.openStorage();
    await using server = await serveStorage(storage);
    const urls = { metadataUrl: `${server.url}/metadata`, targetsUrl: `${server.url}/targets` };
    return { out, outcome: await client.visit({ ...common, ...urls }) };
  }

  return {
    async read(life, way, change = {}) {
      const expected = change.expected ?? (await life.expected());
      const root = change.firstRoot ?? (await life.root(1));
      const { out, outcome } = await visit(life, way, [...expected.keys()], root);
      return resultOf(outcome, out, expected);
    },
    async [Symbol.asyncDispose]() {
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function resultOf(
  outcome: Outcome,
  out: string,
  expected: ReadonlyMap<string, Uint8Array>,
): Promise<string> {
  if (outcome.kind === 'refused') return outcome.reason;
  const files = await readdir(out);
  for (const [name, bytes] of expected) {
    // `tuftool clone` keeps the hash before the name, as storage has it.
    const file = files.find((found) => found === name || found.slice(65) === name);
    if (file === undefined) return `${name} was not fetched`;
    if (Buffer.compare(await readFile(join(out, file)), bytes) !== 0) return `${name} differs`;
  }
  return 'read';
}
