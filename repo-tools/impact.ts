import { AskError } from '../adapters/terminal/ask-secret.ts';
import type { Io } from '../adapters/terminal/io.ts';
import type { RolloutView } from '../core/rollout-view.ts';
import type { RolloutControl } from './control/control.ts';

export type ImpactOptions = { readonly yes?: boolean; readonly dryRun?: boolean };

/** Verbs that stop a rollout or take it back. */
export type StoppingVerb = 'pause' | 'withdraw' | 'supersede' | 'rollback';

/**
 * At a terminal: says how many hosts the verb concerns, and asks, unless `--yes` was given. A script is not asked; it says
 * why (`--reason`) and what in its own text. Throws AskError when the person declines.
 */
export async function confirmImpact(
  { stderr, confirm }: Io,
  control: Pick<RolloutControl, 'show'>,
  { verb, id, yes, dryRun }: ImpactOptions & { readonly verb: StoppingVerb; readonly id: string },
): Promise<void> {
  if (confirm === undefined || dryRun === true) return;
  const view = await control.show(id);
  stderr.write(`${view.variant} ${view.arch} ${view.version}: ${impactOf(verb, view)}\n`);
  if (yes === true || (await confirm(`${verb} rollout ${id}?`))) return;
  throw new AskError('ask/refused', `not confirmed: rollout ${id} stays as it is`);
}

function impactOf(verb: StoppingVerb, { counts }: RolloutView): string {
  if (counts === null) return 'how many hosts this concerns only a server knows';
  const { waiting, offered, updated } = counts;
  const before = `${waiting} hosts wait for it, ${offered} were offered it and have not said how it went`;
  switch (verb) {
    case 'pause':
      return `${before}: none of them starts until it is resumed`;
    case 'withdraw':
      return `${before}: none of them gets it any more; ${updated} hosts run it and stay on it`;
    case 'supersede':
      return `${before}: a newer rollout has an update for each of them; ${updated} hosts run it and stay on it`;
    case 'rollback':
      return `${updated} hosts run it and are sent back; ${before}: none of them gets it any more`;
  }
}
