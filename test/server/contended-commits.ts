import { setTimeout } from 'node:timers/promises';
import { expect } from '@jest/globals';
import type { Patience } from '../../adapters/repository/patience.ts';
import { openRepository } from '../../adapters/repository/repository.ts';
import type { Storage } from '../../adapters/storage/storage.ts';
import { DEFAULT_EXPIRY_POLICY } from '../../core/tuf/lifetimes.ts';
import type { Verb } from '../../core/verb.ts';
import { refreshRepository } from '../../repo-tools/refresh.ts';
import { LISTED_AT_A_TIME, smallTarget } from '../support/small-commits.ts';
import { exampleSigner } from '../support/example-keys.ts';
import { NOW, openPatient, RELEASES } from '../support/example-repository.ts';
import { committedRollouts, HALF_AT_ONCE, publishedRepository, setup, START } from './setup.ts';

/** So often is it not a verb that the server's side commits, but a renewal. */
const RENEWAL_EVERY = 10;

export type Contention = {
  /** Empty at the start. */
  readonly storage: Storage;
  /** How many commits each of the two makes. */
  readonly each: number;
  /** Starts the publisher and yields the versions of its timestamps. */
  readonly publish: () => AsyncIterable<number>;
  readonly patience?: Required<Patience>;
};

/**
 * A server that pauses, resumes and renews, and a publisher beside it on the same storage. Every commit has to be there, and no
 * number of the timestamp may be missing or doubled. Returns how many commits there were.
 */
export async function contend({
  storage,
  each,
  publish,
  patience = { random: Math.random, sleep: setTimeout },
}: Contention): Promise<number> {
  await publishedRepository(storage);
  await using server = await setup({ storage, ...patience });
  const started = await server.post('/api/v1/rollouts', { ...START, policy: HALF_AT_ONCE });
  const { id: rolloutId } = started.body;
  await server.context.commitPending();
  const first = await openPatient(storage).load();
  const both = [
    commitAsServer(server.context, { storage, rolloutId, times: each, patience }),
    Array.fromAsync(publish()),
  ] as const;
  // When one fails, the other still writes: nothing is taken down before it has ended.
  await Promise.allSettled(both);
  const [ofServer, ofPublisher] = await Promise.all(both);
  const versions = [...ofServer, ...ofPublisher].toSorted((a, b) => a - b);
  const total = 2 * each;
  expect(versions).toEqual(
    Array.from({ length: total }, (_, index) => first.timestamp.version + 1 + index),
  );
  const last = await openPatient(storage).load();
  expect(last.timestamp.version).toBe(first.timestamp.version + total);
  const listed = last.delegated.get(RELEASES)?.targets ?? {};
  for (let index = Math.max(0, each - LISTED_AT_A_TIME); index < each; index += 1) {
    expect(listed).toHaveProperty([smallTarget(index)]);
  }
  const [rollout] = await committedRollouts(storage);
  const verbs = each - Math.floor(each / RENEWAL_EVERY);
  expect(rollout?.history.map(({ id }) => id).slice(1)).toEqual(
    Array.from({ length: verbs }, (_, index) => verbId(index)),
  );
  return total;
}

async function commitAsServer(
  { link, fleet }: Awaited<ReturnType<typeof setup>>['context'],
  {
    storage,
    rolloutId,
    times,
    patience,
  }: {
    readonly storage: Storage;
    readonly rolloutId: string;
    readonly times: number;
    readonly patience: Patience;
  },
): Promise<readonly number[]> {
  const signers = [await exampleSigner('online')];
  const order = { signers, now: NOW, policy: DEFAULT_EXPIRY_POLICY, isOnlyIfDue: false };
  const repository = openRepository({ storage, now: () => NOW, ...patience });
  const versions: number[] = [];
  let verbs = 0;
  for (let index = 1; index <= times; index += 1) {
    if (index % RENEWAL_EVERY === 0) {
      const { renewed } = await refreshRepository(repository, order);
      versions.push(renewed.find(({ role }) => role === 'timestamp')?.version ?? 0);
      continue;
    }
    const verb: Verb = {
      kind: verbs % 2 === 0 ? 'pause' : 'resume',
      ...{ id: verbId(verbs), rolloutId, at: NOW, by: 'server', reason: 'a test' },
    };
    expect((await link.commit([verb])).rejected).toEqual([]);
    versions.push(fleet.view.published.state.timestamp.version);
    verbs += 1;
  }
  return versions;
}

function verbId(index: number): string {
  return `verb-number-${index}`;
}
