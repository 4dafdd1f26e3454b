import { cp, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { openFilesystemStorage } from '../../adapters/storage/filesystem.ts';
import { Workplace } from './cli.ts';
import { openProposalMeaning, publishedMeaning, tornObjects } from './published-meaning.ts';
import { runTidegate } from './tidegate-process.ts';
import { openTufClient } from './tuf-client.ts';

const PRELOAD = pathToFileURL(join(import.meta.dirname, 'kill-at-call.mjs')).href;
const AT_ONCE = 2;

export type ProcessOrder = {
  readonly argv: readonly string[];
  /** The folder of the repository that it changes. */
  readonly repository?: string;
  /** Before and after which calls it dies. */
  readonly calls: readonly ('link' | 'rename' | 'unlink' | 'sync')[];
};

export type Death = {
  /** What hosts found then. */
  readonly seen: string;
  readonly torn: readonly string[];
  /** How the same command ended afterwards. */
  readonly again: { readonly code: number; readonly stderr: string };
  /** All there is in the end. */
  readonly end: string;
  /** What a TUF client of the first root read in the end; null if there was no repository to follow. */
  readonly read: readonly (string | null)[] | null;
};

export type Undisturbed = { readonly before: string; readonly end: string };

/** Runs the real command in copies of the folder, killed at each point of these calls in turn, until one is not reached. */
export async function killAtEveryCall(
  start: Workplace,
  order: ProcessOrder,
): Promise<{ readonly undisturbed: Undisturbed; readonly deaths: readonly Death[] }> {
  const undisturbed = await runUndisturbed(start, order);
  const deaths: Death[] = [];
  for (let first = 1; ; first += AT_ONCE) {
    const points = Array.from({ length: AT_ONCE }, (_, index) => first + index);
    const batch = await Promise.all(points.map((point) => killAt(start, order, point)));
    deaths.push(...batch.filter((death) => death !== null));
    if (batch.includes(null)) return { undisturbed, deaths };
  }
}

async function runUndisturbed(start: Workplace, order: ProcessOrder): Promise<Undisturbed> {
  await using place = await copyOf(start);
  const before = await seenIn(place, order);
  await place.must(...order.argv);
  return { before, end: await endOf(place, order) };
}

/** Null if the command came to its end before that point. */
async function killAt(start: Workplace, order: ProcessOrder, point: number): Promise<Death | null> {
  await using place = await copyOf(start);
  const { code, signal, stderr } = await runTidegate(place.folder, order.argv, {
    nodeOptions: ['--import', PRELOAD],
    env: { ...place.env, KILL_AT_POINT: String(point), KILL_CALLS: order.calls.join() },
  });
  if (signal !== 'SIGKILL') {
    if (code !== 0) throw new Error(`exit ${code} instead of a death: ${stderr}`);
    return null;
  }
  const seen = await seenIn(place, order);
  const storage = await storageOf(place, order);
  const torn = await tornObjects(storage);
  const again = await place.run(...order.argv);
  return { seen, torn, again, end: await endOf(place, order), read: await readBy(place, order) };
}

async function copyOf(start: Workplace): Promise<Workplace> {
  const folder = await mkdtemp(join(tmpdir(), 'tidegate-kill-'));
  await cp(start.folder, folder, { recursive: true, preserveTimestamps: true });
  const place = new Workplace(folder);
  place.now = new Date();
  return place;
}

function storageOf({ folder }: Workplace, { repository = 'R' }: ProcessOrder) {
  return openFilesystemStorage({ folder: join(folder, repository), access: 'read' });
}

async function seenIn(place: Workplace, order: ProcessOrder): Promise<string> {
  return timeless(await publishedMeaning(await storageOf(place, order)));
}

async function endOf(place: Workplace, order: ProcessOrder): Promise<string> {
  const open = await openProposalMeaning(await storageOf(place, order));
  return `${await seenIn(place, order)} ${timeless(open)}`;
}

async function readBy(place: Workplace, order: ProcessOrder) {
  const storage = await storageOf(place, order);
  const first = await storage.get('metadata/1.root.json').catch(() => null);
  if (first === null) return null;
  const chunks = await Array.fromAsync(first.body);
  await using client = await openTufClient(storage, Buffer.concat(chunks));
  return await client.read('manifest.json');
}

/** Two runs do not begin in the same second. */
function timeless(meaning: unknown): string {
  return JSON.stringify(meaning, (key, value: unknown) => (key === 'expires' ? '' : value));
}
