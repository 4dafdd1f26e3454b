import type { Logger } from 'pino';
import type { VerbResult } from '../../adapters/state/state.ts';
import { recordOfVerb } from '../../core/audit-record.ts';
import type { PlanVerb } from '../../core/plan.ts';
import type { Metrics } from '../metrics.ts';
import type { Outbox } from '../outbox.ts';
import type { RepositoryLink } from '../repository-link.ts';

function rolloutOf(verb: PlanVerb) {
  return verb.kind === 'apply-fleet' ? {} : { rolloutId: verb.rolloutId };
}

export type CommitOptions = {
  readonly outbox: Pick<Outbox, 'learn' | 'next' | 'finish'>;
  readonly link: RepositoryLink;
  readonly metrics: Pick<Metrics, 'verbs'>;
  /** Called when verbs have left the outbox. */
  readonly onFinished: () => void;
  readonly now: () => Date;
  readonly log: Logger;
};

/**
 * Commits the pending verbs in the order of acceptance and marks them finished. Killed anywhere in between it is simply run
 * again: a verb that the manifest holds already changes nothing. A database that is away holds up no commit of what is in memory.
 */
export async function commitPending(options: CommitOptions): Promise<void> {
  const { outbox } = options;
  // Also what another server rejected while it led: it must not be tried again.
  const [learnt] = await Promise.allSettled([outbox.learn()]);
  const verbs = outbox.next;
  if (verbs.length > 0) await commitAndFinish(verbs, options);
  if (learnt.status === 'rejected') throw learnt.reason;
}

async function commitAndFinish(
  verbs: readonly PlanVerb[],
  { outbox, link, metrics, onFinished, now, log }: CommitOptions,
): Promise<void> {
  const { rejected, changes } = await link.commit(verbs);
  for (const verb of verbs) {
    const error = rejected.find((one) => one.verb.id === verb.id)?.error;
    const result: VerbResult =
      error === undefined ? { kind: 'committed' } : { kind: 'rejected', message: error.message };
    const at = now();
    const record =
      result.kind === 'committed'
        ? recordOfVerb(verb, { event: 'committed', at, change: changes.get(verb.id) })
        : recordOfVerb(verb, { event: 'rejected', at, message: result.message });
    await outbox.finish(verb.id, result, at, record);
    metrics.verbs.inc({ result: result.kind });
    const event = { verbId: verb.id, verb: verb.kind, ...rolloutOf(verb) };
    if (error === undefined) log.info(event, 'verb committed');
    else log.error({ ...event, code: error.code, why: error.message }, 'verb rejected');
  }
  onFinished();
}
