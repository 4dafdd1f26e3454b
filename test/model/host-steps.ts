import { checkInAnswerSchema } from '../../core/check-in.ts';
import type { CheckInAnswer } from '../../core/check-in.ts';
import { PLATFORM } from '../support/example-repository.ts';
import type { Expected, FleetModel, HostModel } from './fleet-model.ts';
import { judgeOutcomes } from './job-steps.ts';
import { documentOf, rankOf } from './policy.ts';
import type { Outcome, ReportSpec } from './standings.ts';
import { demand, stepOf, Violation } from './step.ts';
import type { Step } from './step.ts';
import type { World } from './world.ts';

export function pollStep(index: number): Step {
  return stepOf(`host ${index} polls`, async (model, world) => {
    await poll(model, world, hostAt(model, index), []);
  });
}

/** A host that fails for good does not try the release again before the next attempt, and says so. */
export type TryEnd = 'well' | 'in vain' | 'in vain for good';

/** One of the hosts with an update asks once more, as before it activates; if it still may, it tries and reports. */
export function tryStep(pick: number, end: TryEnd, skewHours: number): Step {
  const isGood = end === 'well';
  return stepOf(
    `host ${pick} with an update tries, ${end}, ${skewHours} h off`,
    async (model, world) => {
      const ready = model.hosts.filter(({ offer }) => offer !== null);
      const host = ready[pick % ready.length];
      if (host === undefined) return;
      await poll(model, world, host, []);
      const { offer } = host;
      if (offer === null) return;
      host.unsent.push({
        id: model.newId('report'),
        rolloutId: offer.rolloutId,
        from: host.version,
        to: offer.to,
        outcome: outcomeOf(isGood, offer.isBack),
        atMs: model.nowMs + skewHours * 3_600_000,
      });
      if (isGood) host.version = offer.to;
      const attempt = model.rollout(offer.rolloutId)?.attempt ?? 1;
      host.failed = end === 'in vain for good' ? { version: offer.to, attempt } : null;
      host.offer = null;
      await poll(model, world, host, []);
      // A failure wakes the job that judges it.
      if (!isGood) await judgeOutcomes(model, world);
    },
    ({ hosts }) => hosts.some(({ offer }) => offer !== null),
  );
}

/** A new machine takes the place of a host, on a release of long ago; what the old one had not sent is lost with it. */
export function replaceStep(index: number, version: string): Step {
  return stepOf(`host ${index} is replaced, on ${version}`, async (model, world) => {
    const host = hostAt(model, index);
    host.version = version;
    host.offer = null;
    host.failed = null;
    host.unsent = [];
    await poll(model, world, host, []);
  });
}

/** A host did not hear that its reports came through. */
export function resendStep(index: number): Step {
  return stepOf(
    `host ${index} sends its reports again`,
    async (model, world) => {
      const host = hostAt(model, index);
      await poll(model, world, host, host.sent.slice(-20));
    },
    (model) => hostAt(model, index).sent.length > 0,
  );
}

function hostAt({ hosts }: Readonly<FleetModel>, index: number): HostModel {
  const host = hosts[index % hosts.length];
  if (host === undefined) throw new Error('there is no host');
  return host;
}

function outcomeOf(isGood: boolean, isBack: boolean): Outcome {
  if (!isGood) return 'failed';
  return isBack ? 'rolled-back' : 'updated';
}

/** A check-in with everything that was not acknowledged, and some that was. */
async function poll(
  model: FleetModel,
  world: World,
  host: HostModel,
  again: readonly ReportSpec[],
): Promise<void> {
  const { id, seed, group, version } = host;
  const fresh = host.unsent;
  const reports = [...again, ...fresh].map(({ atMs, ...report }) => ({
    ...report,
    stage: 'activate',
    at: new Date(atMs).toISOString(),
  }));
  const answer = await world.ask('POST', '/api/v1/check-in', {
    host: { id, ...PLATFORM, version, seed, ...(group === null ? {} : { group }) },
    state: 'idle',
    ...(reports.length === 0 ? {} : { reports }),
    ...(host.failed === null ? {} : { failed: [host.failed] }),
  });
  if (answer.status === 503 && reports.length > 0 && world.isDatabaseAway) return;
  demand(`the check-in of ${id}`, answer.status, 200);
  for (const report of fresh) {
    const rollout = model.rollout(report.rolloutId);
    rollout?.standings.reported(id, report, rollout.attempt);
  }
  host.sent.push(...fresh);
  host.unsent = [];
  judge(model, world, host, checkInAnswerSchema.parse(answer.body));
}

function judge(model: FleetModel, world: World, host: HostModel, answer: CheckInAnswer): void {
  const told = toldBy(answer);
  if (told !== null) refuseForbidden(model, host, told);
  demand(`${host.id} on ${host.version} with seed ${host.seed}`, told, model.expected(host));
  host.offer = told;
  if (told !== null) model.rollout(told.rolloutId)?.standings.offered(host.id, model.nowMs);
  world.note(answer.decision === 'update' ? `told ${answer.direction}` : `told ${answer.reason}`);
}

function toldBy(answer: CheckInAnswer): Expected {
  if (answer.decision === 'stay') return null;
  const { rolloutId, release, direction } = answer;
  return { rolloutId, to: release.version, isBack: direction === 'rollback' };
}

/** What must never be said, whatever else is in force: these three need no model of the tide. */
function refuseForbidden(model: FleetModel, host: HostModel, told: NonNullable<Expected>): void {
  const { state } = model.rollout(told.rolloutId) ?? {};
  const start = `${host.id} starts ${told.to} from ${host.version}`;
  if (state === 'paused' || state === 'halted') throw new Violation(`${start} while ${state}`);
  const { minimumFrom } = documentOf(told.to);
  if (!told.isBack && minimumFrom !== null && rankOf(host.version) < rankOf(minimumFrom)) {
    throw new Violation(`${start}, which its signed document allows from ${minimumFrom} only`);
  }
  const isLower = rankOf(told.to) < rankOf(host.version);
  if (isLower !== told.isBack) throw new Violation(`${start}, the wrong way`);
  if (told.isBack && !documentOf(host.version).rollbackTo.includes(told.to)) {
    throw new Violation(`${start}, where its signed document does not let it go`);
  }
}
