import { initRepository } from '../../adapters/repository/init.ts';
import { readObject } from '../../adapters/repository/objects.ts';
import { openRepository } from '../../adapters/repository/repository.ts';
import { commitVerbs, findRelease } from '../../adapters/repository/rollouts.ts';
import { createMemoryStorage } from '../../adapters/storage/memory.ts';
import { checkInAnswer, checkInSchema } from '../../core/check-in.ts';
import { decide } from '../../core/decide.ts';
import { NO_RULES } from '../../core/fleet/rules.ts';
import { checkInAnswerSchema } from '../../core/check-in.ts';
import { compileManifest } from '../../core/compile.ts';
import { commitAnswerSchema, commitRequestSchema } from '../../core/operator-api.ts';
import { formatRelease, parseRelease } from '../../core/release.ts';
import type { Release } from '../../core/release.ts';
import { viewOf } from '../../core/rollout-view.ts';
import { provenanceTarget, releaseDocumentTarget, releasesRole } from '../../core/tuf/names.ts';
import { contentOf } from '../../core/tuf/verify.ts';
import { exampleSigner } from './example-keys.ts';
import { planOf, policyOf } from './rollouts.ts';

const NOW = new Date('2026-03-01T12:00:00Z');
const PLATFORM = { variant: 'aws-k8s-1.32', arch: 'x86_64' };
const HOST = { id: 'host-1', ...PLATFORM, version: '1.0.0', seed: 300 };

function exampleRelease(version: string, rollbackTo: readonly string[]): Release {
  const image = (name: string, size: number) => ({
    target: `aws-k8s-1.32-x86_64-${version}-${name}.lz4`,
    format: 'lz4' as const,
    size,
    sha256: `${size}`.padStart(64, '0'),
  });
  return {
    schema: 'tidegate.release/1',
    ...PLATFORM,
    version,
    images: {
      boot: image('boot', 41943040),
      root: image('root', 964689920),
      hash: image('hash', 10485760),
    },
    verity: { image: 'root', hashImage: 'hash', rootHash: 'ab'.repeat(32) },
    minimumFrom: null,
    rollbackTo,
    migrations: [],
    notes: 'https://example.com/notes/1.1.0',
    createdAt: '2026-03-01T12:00:00Z',
  };
}

/** The examples of docs/protocol.md, made by the code that they document, the same on every run. */
export async function protocolExamples(): Promise<Readonly<Record<string, string>>> {
  const storage = createMemoryStorage();
  const root = await exampleSigner('root1');
  const targets = await exampleSigner('targets');
  const online = await exampleSigner('online');
  const signers = [root, targets, online];
  const holders = (signer: typeof root) => ({ keys: [signer.key], threshold: 1 });
  await initRepository({
    ...{ storage, now: NOW, signers, root: holders(root), targets: holders(targets) },
    online: holders(online),
    releases: [{ ...PLATFORM, ...holders(targets) }],
    manifest: new TextEncoder().encode(compileManifest(planOf([]), { published: [], now: NOW })),
  });
  const repository = openRepository({ storage, now: () => NOW });
  const release = exampleRelease('1.1.0', ['1.0.0']);
  const addFiles = [exampleRelease('1.0.0', []), release].map((document) => ({
    name: releaseDocumentTarget(document),
    bytes: formatRelease(document),
  }));
  const state = await repository.commit({
    signers,
    edit: () => ({ roles: new Map([[releasesRole(PLATFORM), { addFiles }]]) }),
  });
  const origin = { at: NOW, by: 'operator', reason: null, rolloutId: '2jq9fqxk1c' };
  const { rollouts } = await commitVerbs(repository, {
    signers,
    now: NOW,
    verbs: [
      {
        ...origin,
        id: '6f1ed002-ab5d-4c0a-9d4e-2a5f2d8b7c10',
        kind: 'start',
        release: await findRelease(repository, state, { ...PLATFORM, version: '1.1.0' }),
        policy: policyOf([
          [0, 1],
          [3_600_000, 2],
        ]),
        startAt: NOW,
        seeds: 'stable',
      },
    ],
  });
  const [rollout] = rollouts;
  if (rollout === undefined) throw new Error('the rollout was not committed');
  const text = async (name: string) =>
    new TextDecoder().decode((await readObject(storage, name, 100_000)).bytes);
  const pretty = (value: unknown) => JSON.stringify(value, null, 2);
  const published = ['1.0.0', '1.1.0'];
  const later = new Date('2026-03-01T12:30:00Z');
  const answer = (seed: number) =>
    pretty(
      checkInAnswerSchema.parse(
        checkInAnswer(decide({ ...HOST, seed }, { rollouts, rules: NO_RULES }, later), 300),
      ),
    );
  return {
    root: await text('metadata/1.root.json'),
    timestamp: await text('metadata/timestamp.json'),
    snapshot: await text('metadata/3.snapshot.json'),
    targets: await text('metadata/1.targets.json'),
    'delegated-targets': await text(`metadata/2.${releasesRole(PLATFORM)}.json`),
    'release-document': new TextDecoder().decode(formatRelease(release)).trimEnd(),
    'release-history': pretty(historyOf(release)),
    manifest: compileManifest(planOf(rollouts), { published, now: NOW }),
    'check-in': pretty(
      checkInSchema.parse({
        host: { ...HOST, group: 'prod', labels: { zone: 'a' } },
        state: 'idle',
        failed: [{ version: '1.1.0', attempt: 1, retryAfterSeconds: 10 }],
        reports: [
          {
            id: '0b9c2c51-8f2f-4a0e-9b1d-3f0f6d1f4a77',
            ...{ rolloutId: '2jq9fqxk1c', from: '1.0.0', to: '1.1.0', outcome: 'failed' },
            ...{
              stage: 'install',
              error: 'agent/image: wrong SHA-256',
              at: '2026-03-01T12:10:00Z',
            },
          },
        ],
      }),
    ),
    'answer-update': answer(5),
    'answer-stay': answer(15),
    'commit-request': pretty(
      commitRequestSchema.parse({
        role: releasesRole(PLATFORM),
        version: 2,
        after: 1,
        sha256: contentOf(
          (await readObject(storage, `metadata/2.${releasesRole(PLATFORM)}.json`, 100_000)).bytes,
        ).hashes.sha256,
      }),
    ),
    'commit-answer': pretty(commitAnswerSchema.parse({ changed: true, snapshot: 2, timestamp: 2 })),
    'rollout-view': pretty(
      viewOf(rollout, later, {
        counts: { waiting: 90, offered: 8, updated: 1, failed: 1, overdue: 0, rolledBack: 0 },
        failures: [],
      }),
    ),
  };
}

/** The members that a release document may have besides those that all have, in a document that holds. */
function historyOf(release: Release) {
  const at = '2026-03-02T12:00:00Z';
  const { provenance, amended, withdrawn } = parseRelease(
    formatRelease({
      ...release,
      provenance: { target: provenanceTarget(release), length: 4096, sha256: '2'.repeat(64) },
      amended: [{ at, by: 'operator', reason: 'tested the way back', before: '3'.repeat(64) }],
      withdrawn: { at, by: 'operator', reason: 'leaks credentials', before: '4'.repeat(64) },
    }),
  );
  return { provenance, amended, withdrawn };
}

/** The document with the code block behind each `<!-- example: NAME -->` replaced by the example of that name. */
export function withExamples(markdown: string, examples: Readonly<Record<string, string>>): string {
  return markdown.replaceAll(
    /(<!-- example: ([a-z-]+) -->\n\n```json\n).*?(\n```\n)/gs,
    (_all, start: string, name: string, end: string) => {
      const example = examples[name];
      if (example === undefined)
        throw new Error(`docs/protocol.md asks for an unknown example ${name}`);
      return `${start}${example}${end}`;
    },
  );
}
