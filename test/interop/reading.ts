import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { serveStorage } from '../support/serve-storage.ts';
import type { Client, Outcome } from './clients.ts';
import { beginLife } from './life.ts';
import type { Life, LifeOptions } from './life.ts';
import { STATES } from './states.ts';

/** How a client came to a state. */
export type Way = 'first visit' | 'from the state before' | 'first visit, from files';

export type Reading = {
  readonly state: string;
  readonly way: Way;
  /** `read`, or why not. */
  readonly result: string;
};

/**
 * One client beside a whole life of a repository: it visits every state (or only those named) for the first time, with what it
 * kept of the state before, and from files where it can.
 */
export async function readLife(
  client: Client,
  { states = null, ...options }: LifeOptions & { readonly states?: readonly string[] | null },
): Promise<readonly Reading[]> {
  await using life = await beginLife(options);
  await using visitor = await openVisitor(client);
  const readings: Reading[] = [];
  for (const { name, make, shows } of STATES) {
    await make(life);
    const shown = JSON.stringify(await life.shown());
    if (shown !== JSON.stringify(shows)) throw new Error(`${name} shows ${shown}`);
    if (states !== null && !states.includes(name)) continue;
    for (const way of waysOf(client, life)) {
      readings.push({ state: name, way, result: await visitor.read(life, way) });
    }
  }
  return readings;
}

function waysOf(client: Client, { url }: Life): readonly Way[] {
  return [
    'first visit',
    ...(client.remembers ? (['from the state before'] as const) : []),
    ...(client.readsFiles && url.startsWith('file:') ? (['first visit, from files'] as const) : []),
  ];
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
      const url = pathToFileURL(join(life.workplace.folder, 'R')).href;
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
      const root = change.firstRoot ?? (await life.firstRoot());
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
