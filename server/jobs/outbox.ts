import type { Logger } from 'pino';
import type { State, VerbResult } from '../../adapters/state/state.ts';
import { recordOfVerb } from '../../core/audit-record.ts';
import type { PlanVerb } from '../../core/plan.ts';
import type { Fleet } from '../fleet.ts';
import type { Metrics } from '../metrics.ts';
import type { RepositoryLink } from '../repository-link.ts';

function rolloutOf(verb: PlanVerb) {
  return verb.kind === 'apply-fleet' ? {} : { rolloutId: verb.rolloutId };
}

export type OutboxOptions = {
  readonly state: Pick<State, 'finishVerb'>;
  readonly fleet: Fleet;
  readonly link: RepositoryLink;
  readonly metrics: Pick<Metrics, 'verbs'>;
  /** Called when verbs have left the outbox. */
  readonly onFinished: () => void;
  readonly now: () => Date;
  readonly log: Logger;
};

/**
 * Commits the pending verbs in the order of acceptance and marks them finished. Killed anywhere in between it is simply run
 * again: a verb that the manifest holds already changes nothing.
 */
export async function commitPending(options: OutboxOptions): Promise<void> {
  const { state, fleet, link, metrics, onFinished, now, log } = options;
  const verbs = fleet.view.pending;
  if (verbs.length === 0) return;
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
    await state.finishVerb(verb.id, result, at, record);
    fleet.settle(verb.id);
    metrics.verbs.inc({ result: result.kind });
    const event = { verbId: verb.id, verb: verb.kind, ...rolloutOf(verb) };
    if (error === undefined) log.info(event, 'verb committed');
    else log.error({ ...event, code: error.code, why: error.message }, 'verb rejected');
  }
  onFinished();
}
