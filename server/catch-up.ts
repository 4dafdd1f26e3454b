import type { State, StoredVerb } from '../adapters/state/state.ts';
import { parseVerb } from '../core/verb-json.ts';
import type { PlanVerb } from '../core/plan.ts';
import { ServerError } from './errors.ts';
import type { Fleet } from './fleet.ts';
import type { RepositoryLink } from './repository-link.ts';

export type CatchUpOptions = {
  readonly state: Pick<State, 'pendingVerbs'>;
  readonly fleet: Fleet;
  readonly link: Pick<RepositoryLink, 'follow'>;
};

/**
 * Takes over what other servers accepted, then what they committed. A verb leaves the memory only once the manifest was
 * read after the verb had left the outbox, so that there is no moment in which it is in neither.
 */
export async function catchUp(options: CatchUpOptions): Promise<void> {
  const { fleet, link } = options;
  const before = fleet.view.pending;
  const [learned] = await Promise.allSettled([learnPending(options)]);
  // With the database away, the manifest is worth following all the same.
  await link.follow();
  if (learned.status === 'rejected') throw learned.reason;
  const ids = new Set(learned.value.map(({ id }) => id));
  for (const { id } of before) if (!ids.has(id)) fleet.settle(id);
}

/** Takes over what other servers accepted; resolves to all that waits to be committed. */
export async function learnPending({
  state,
  fleet,
}: Pick<CatchUpOptions, 'state' | 'fleet'>): Promise<readonly PlanVerb[]> {
  const pending = await readPending(state);
  const known = new Set(fleet.view.pending.map(({ id }) => id));
  if (pending.some(({ id }) => !known.has(id))) fleet.learn(pending);
  return pending;
}

/** The verbs of the outbox. */
export async function readPending(
  state: Pick<State, 'pendingVerbs'>,
): Promise<readonly PlanVerb[]> {
  return (await state.pendingVerbs()).map(readVerb);
}

/** A verb that cannot be read must not be skipped: those behind it may build on it. */
function readVerb({ id, json }: StoredVerb): PlanVerb {
  try {
    return parseVerb(json);
  } catch (cause) {
    throw new ServerError('server/outbox', `verb ${id} of the outbox cannot be read`, { cause });
  }
}
