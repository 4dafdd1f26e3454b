import { createHash } from 'node:crypto';
import { RepositoryError } from '../../adapters/repository/errors.ts';
import { findOpenProposal } from '../../adapters/repository/open-proposal.ts';
import { openRepository } from '../../adapters/repository/repository.ts';
import type { RepositoryState } from '../../adapters/repository/repository.ts';
import { readRollouts } from '../../adapters/repository/rollouts.ts';
import type { Storage } from '../../adapters/storage/storage.ts';
import { MANIFEST_TARGET } from '../../core/tuf/names.ts';
import { objectsOf } from './objects-of.ts';

/**
 * All that hosts can tell of a repository, without the numbers and ids that differ from run to run; or the code of the error that
 * they meet. Every file that is published is read and compared with its hash.
 */
export async function publishedMeaning(storage: Storage, firstRoot?: Uint8Array): Promise<unknown> {
  const repository = openRepository({
    storage,
    now: () => new Date(),
    trustedRoot: firstRoot,
    sleep: async () => {},
  });
  let state: RepositoryState;
  try {
    state = await repository.load();
  } catch (error) {
    if (error instanceof RepositoryError) return error.code;
    throw error;
  }
  const { root, targets, delegated, snapshot, timestamp } = state;
  const roles = [...delegated].map(([role, metadata]) => ({ role, ...listed(metadata) }));
  for (const { targets: names } of [targets, ...delegated.values()]) {
    for (const name of Object.keys(names)) await readWhole(repository, state, name);
  }
  const rollouts = await readRollouts(repository, state);
  return {
    root: { version: root.version, roles: root.roles, keys: root.keys, expires: root.expires },
    targets: { ...listed(targets), delegations: targets.delegations },
    roles,
    expires: [snapshot.expires, timestamp.expires],
    rollouts: rollouts.map((rollout) => ({
      ...rollout,
      id: '',
      history: rollout.history.map((change) => ({ ...change, id: '' })),
    })),
  };
}

/** The open proposal in a few words, or null. */
export async function openProposalMeaning(storage: Storage): Promise<unknown> {
  const open = await findOpenProposal(storage);
  if (open === null) return null;
  const { root, targets, delegated, reason, by } = open;
  return {
    reason,
    by,
    root: root === null ? null : [root.signed, root.signatures.length],
    targets: targets === null ? null : [targets.signed.delegations, targets.signatures.length],
    delegated: [...delegated.keys()],
  };
}

/** Names of objects that are not whole: content-addressed ones with other bytes, and metadata that is no JSON. */
export async function tornObjects(storage: Storage): Promise<readonly string[]> {
  return Object.entries(await objectsOf(storage)).flatMap(([name, bytes]) =>
    isWhole(name, bytes) ? [] : [name],
  );
}

function isWhole(name: string, bytes: Uint8Array): boolean {
  const [, hash] = /^targets\/([0-9a-f]{64})\./.exec(name) ?? [];
  if (hash !== undefined) return createHash('sha256').update(bytes).digest('hex') === hash;
  try {
    JSON.parse(Buffer.from(bytes).toString());
    return true;
  } catch {
    return false;
  }
}

function listed({ targets, expires }: RepositoryState['targets']) {
  const names = Object.entries(targets).map(([name, { length, hashes }]) =>
    // Every rollout has an id of its own.
    name === MANIFEST_TARGET ? [name] : [name, length, hashes.sha256],
  );
  return { expires, targets: names.toSorted(([a = ''], [b = '']) => (a < b ? -1 : 1)) };
}

async function readWhole(
  repository: ReturnType<typeof openRepository>,
  state: RepositoryState,
  name: string,
): Promise<void> {
  const { body } = await repository.openTarget(state, name);
  for await (const _ of body);
}
