import { z } from 'zod';
import { EMPTY_CHAIN, verifyChain } from '../../core/audit.ts';
import type { AuditEntry } from '../../core/audit.ts';
import { auditPageSchema, fleetAnswerSchema, rolloutListSchema } from '../../core/operator-api.ts';
import { parseManifest } from '../../core/bottlerocket/manifest.ts';
import { updateRequired } from '../../core/bottlerocket/update-required.ts';
import { PLATFORM } from '../support/example-repository.ts';
import type { FleetModel } from './fleet-model.ts';
import { documentOf, rankOf } from './policy.ts';
import type { RolloutModel } from './rollout-model.ts';
import { demand, stepOf, Violation } from './step.ts';
import type { Step } from './step.ts';
import type { World } from './world.ts';

/** Everything that an operator can see is as the model says. */
export function inspectStep(): Step {
  return stepOf('inspect', inspect);
}

async function inspect(model: FleetModel, world: World): Promise<void> {
  const { rollouts } = rolloutListSchema.parse((await world.ask('GET', '/api/v1/rollouts')).body);
  demand(
    'the rollouts',
    rollouts.map(({ id, version, state, attempt, sentBackTo, tide, history }) => ({
      ...{ id, version, state, attempt, sentBackTo, seeds: tide.seeds, verbs: history.length },
    })),
    model.rollouts.map((one) => ({
      ...{ id: one.id, version: one.version, state: one.state, attempt: one.attempt },
      ...{ sentBackTo: one.back, seeds: one.shownTide(), verbs: one.verbs.length },
    })),
  );
  const fleet = fleetAnswerSchema.parse((await world.ask('GET', '/api/v1/fleet')).body);
  const ids = fleet.history.map(({ id }) => id);
  demand('who made the rules', ids, model.ruleVerbs.slice(-100));
  const isKnown = rollouts.every(({ counts }) => counts !== null);
  // With the database away, or failing once, the counts are not known.
  if (!isKnown) return;
  for (const { standings } of model.rollouts) standings.written();
  for (const { id, counts } of rollouts) if (counts !== null) checkCounts(model, id, counts);
}

type Counts = Readonly<Record<'offered' | 'updated' | 'failed' | 'overdue' | 'rolledBack', number>>;

/** Every report that was acknowledged is counted once, and no other. */
function checkCounts(model: FleetModel, id: string, counts: Counts): void {
  const standings = model.rollout(id)?.standings;
  const { offered, overdue, updated, failed, rolledBack } = counts;
  demand(
    `outcomes of rollout ${id}`,
    [updated, failed, rolledBack],
    [standings?.count('updated'), standings?.count('failed'), standings?.count('rolled-back')],
  );
  if (standings?.isSure) demand(`overdue of ${id}`, overdue, standings.count('overdue'));
  const { least = 0, most = 0 } = standings?.offeredBounds() ?? {};
  if (offered + overdue < least || offered + overdue > most) {
    throw new Violation(`${offered} offered, ${overdue} overdue of ${id}, not ${least}..${most}`);
  }
}

const updatesSchema = z.object({ updates: z.array(z.object({ version: z.string() })) });

/** With nothing left in the outbox, whoever reads the signed manifest finds all that was acknowledged, and nothing refused. */
export async function checkPublished(model: FleetModel, world: World): Promise<void> {
  const { view } = world.context.fleet;
  if (view.pending.length > 0) return;
  const { rollouts, fleet, text } = await world.published();
  demand('the signed rollouts', rollouts, view.rollouts);
  demand('the signed rules', fleet.history, view.fleet.history);
  const signed = rollouts.map(({ history }) =>
    history.map(({ id, by }) => (by === 'server' ? null : id)),
  );
  demand(
    'the signed verbs',
    signed,
    model.rollouts.map(({ verbs }) => verbs),
  );
  const ids = new Set([...signed.flat(), ...fleet.history.map(({ id }) => id)]);
  const wrong = model.refused.find((id) => ids.has(id));
  if (wrong !== undefined) throw new Violation(`${wrong} was refused, but is signed`);
  const listed = new Set(
    updatesSchema.parse(JSON.parse(text)).updates.map(({ version }) => version),
  );
  const standing = model.current().filter(({ isMoving, back }) => !isMoving && back === null);
  const offered = standing.find(({ version }) => listed.has(version));
  if (offered !== undefined) {
    throw new Violation(
      `${offered.version} is ${offered.state}, but listed for Bottlerocket hosts`,
    );
  }
  for (const rollout of model.current()) checkUpdog(model, rollout, text);
}

/** An unmodified Bottlerocket host on the rollout's release is led to an older one by its way back alone, and only as allowed. */
function checkUpdog(model: FleetModel, { version, state }: RolloutModel, text: string): void {
  const manifest = parseManifest(text);
  for (const { seed } of model.hosts) {
    const update = updateRequired(manifest, {
      ...{ ...PLATFORM, running: version, seed, now: BigInt(model.nowMs) * 1_000_000n },
      ...{ versionLock: 'latest', ignoreWaves: false },
    });
    if (update === null || rankOf(update.version) > rankOf(version)) continue;
    const { rollbackTo } = documentOf(version);
    if (state === 'rolled-back' && rollbackTo.includes(update.version)) continue;
    throw new Violation(`updog goes from ${version}, which is ${state}, to ${update.version}`);
  }
}

/** At the end of a run: all is committed, all is still there, and the audit log tells of it. */
export async function checkAtEnd(model: FleetModel, world: World): Promise<void> {
  world.setAway('storage', false);
  world.setAway('database', false);
  await world.work(({ commitPending }) => commitPending());
  demand('verbs left in the outbox', world.context.fleet.view.pending.length, 0);
  await checkPublished(model, world);
  await inspect(model, world);
  await checkAudit(model, world);
  await world.restart();
  await checkPublished(model, world);
  await inspect(model, world);
}

async function checkAudit(model: FleetModel, world: World): Promise<void> {
  await world.work(({ trail }) => trail.flush());
  const entries: AuditEntry[] = [];
  for (;;) {
    const path = `/api/v1/audit?after=${entries.length}&limit=500`;
    const page = auditPageSchema.parse((await world.ask('GET', path)).body);
    entries.push(...page.entries);
    if (page.entries.length > 0) continue;
    const signed = (await world.published()).auditHead;
    const verdict = verifyChain(entries, { witnesses: signed === null ? [] : [signed] });
    demand('the audit log', verdict, { kind: 'intact', head: page.head ?? EMPTY_CHAIN });
    break;
  }
  const events = Map.groupBy(entries, ({ verbId }) => verbId);
  for (const { verbId } of model.acknowledged) {
    const told = events.get(verbId)?.map(({ event }) => event);
    demand(`the log of ${verbId}`, told, ['accepted', 'committed']);
  }
  for (const verbId of model.foreignVerbs) {
    demand(
      `the log of ${verbId}`,
      events.get(verbId)?.map(({ event }) => event),
      ['found'],
    );
  }
  for (const verbId of model.refused) demand(`the log of ${verbId}`, events.get(verbId), undefined);
}
