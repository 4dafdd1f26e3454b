import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { join } from 'node:path';
import { openRepository, publishedReleases } from '../../adapters/repository/repository.ts';
import { readRollouts } from '../../adapters/repository/rollouts.ts';
import { openFilesystemStorage } from '../../adapters/storage/filesystem.ts';
import { parseManifest } from '../../core/bottlerocket/manifest.ts';
import { nanosecondsOf } from '../../core/bottlerocket/nanoseconds.ts';
import { updateRequired } from '../../core/bottlerocket/update-required.ts';
import { compileManifest } from '../../core/compile.ts';
import { makeWorkplace } from './cli.ts';
import type { Workplace } from './cli.ts';
import { initRepository } from './small-repository.ts';
import { writePubsysRepository } from './pubsys-repository.ts';
import type { PubsysOptions } from './pubsys-repository.ts';
import { planOf, DAY_MS, HOUR_MS } from './rollouts.ts';
import { createHash } from 'node:crypto';

/** default-waves.toml of Bottlerocket for a release that started a day and a half before the import. */
const STARTED = new Date('2026-02-28T00:00:00Z');
/** So long after the start of the newer version. */
export const at = (ms: number) =>
  new Date(STARTED.getTime() + ms).toISOString().replace('.000Z', 'Z');
const DEFAULT_WAVES = {
  '0': at(HOUR_MS),
  '20': at(4 * HOUR_MS),
  '102': at(DAY_MS),
  '307': at(2 * DAY_MS),
  '819': at(4 * DAY_MS),
  '1228': at(5 * DAY_MS),
  '1843': at(6 * DAY_MS),
};
/** Long over. */
export const OLD_WAVES = { '0': '2026-01-01T00:00:00Z', '1024': '2026-01-02T00:00:00Z' };
/** Keys that may write to R. */
export const KEYS = ['--release-key', 'file:K/release.pem', '--online-key', 'file:K/online.pem'];
/** The source S with its root. */
export const FROM = ['--from', 'S', '--root', 'S/root.json'];
/** An old version that all have, and one in the middle of its waves. */
export const TWO: PubsysOptions = {
  updates: [
    { version: '1.44.0', waves: OLD_WAVES },
    { version: '1.45.0', waves: DEFAULT_WAVES },
  ],
};

/** A workplace with a repository R of ours and a source S. */
export async function setup(options: PubsysOptions = TWO) {
  const workplace = await makeWorkplace();
  await initRepository(workplace);
  const source = await writePubsysRepository(join(workplace.folder, 'S'), options);
  return { workplace, source, [Symbol.asyncDispose]: () => workplace[Symbol.asyncDispose]() };
}

/** Imports S into R; the report. */
export async function importJson(workplace: Workplace, ...more: readonly string[]) {
  return JSON.parse(
    await workplace.must('repo', 'import', 'file:R', ...FROM, ...KEYS, '--json', ...more),
  );
}

/** The kinds of differences in a report, each once. */
export function codes(report: { differences: readonly { code: string }[] }): readonly string[] {
  return [...new Set(report.differences.map(({ code }) => code))].toSorted();
}

/** What R holds now. */
export async function opened({ folder }: Workplace) {
  const storage = await openFilesystemStorage({ folder: join(folder, 'R'), access: 'read' });
  const repository = openRepository({ storage, now: () => new Date() });
  const state = await repository.load();
  const rollouts = await readRollouts(repository, state);
  return { repository, state, rollouts, published: publishedReleases(state) };
}

/** Names of all that lies in R. */
export async function objects({ folder }: Workplace): Promise<readonly string[]> {
  const names = await readdir(join(folder, 'R'), { recursive: true });
  return names.filter((name) => !name.startsWith('.')).toSorted();
}

/** How many of the 2048 seeds would install another version by our manifest than by the source's, at this instant. */
export async function strays(workplace: Workplace, manifest: string, now: Date, running: string) {
  const { rollouts, published } = await opened(workplace);
  const versions = published.map(({ version }) => version);
  const ours = parseManifest(compileManifest(planOf(rollouts), { published: versions, now }));
  const theirs = parseManifest(manifest);
  let count = 0;
  for (let seed = 0; seed < 2048; seed += 1) {
    const host = {
      variant: 'aws-k8s-1.32',
      arch: 'x86_64',
      seed,
      now: nanosecondsOf(now),
      ignoreWaves: false,
      running,
      versionLock: 'latest',
    };
    const versionIn = (m: typeof ours) => updateRequired(m, host)?.version ?? null;
    if (versionIn(ours) !== versionIn(theirs)) count += 1;
  }
  return count;
}

/** A static web server with lengths and ETags, as a bucket has them; links are followed. */
export async function serveFolder(folder: string) {
  const server = createServer((request, response) => {
    const name = new URL(request.url ?? '/', 'http://host').pathname;
    readFile(join(folder, name)).then(
      (bytes) => {
        const etag = createHash('sha256').update(bytes).digest('hex');
        response.writeHead(200, { 'content-length': bytes.length, etag: `"${etag}"` }).end(bytes);
      },
      () => {
        response.writeHead(404).end();
      },
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
