import { problemSchema } from '../../core/operator-api.ts';
import { rolloutViewSchema } from '../../core/rollout-view.ts';
import { PLATFORM } from '../support/example-repository.ts';
import type { FleetModel } from './fleet-model.ts';
import { EVERYONE, policyText } from './policy.ts';
import type { PolicySpec } from './policy.ts';
import { RolloutModel } from './rollout-model.ts';
import type { PersonVerb } from './rollout-model.ts';
import { rulesJson } from './rules.ts';
import type { RulesSpec } from './rules.ts';
import { demand, hasRollouts, stepOf, Violation } from './step.ts';
import type { Step } from './step.ts';
import type { Answer, World } from './world.ts';

const ROLLOUTS = '/api/v1/rollouts';

type Order = {
  readonly verbId: string;
  readonly method: 'POST' | 'PUT';
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly isLegal: boolean;
  /** Whether the server must read a release for it. */
  readonly readsRepository: boolean;
};

/** The answer if the order was taken; taken it must be if and only if it is legal. */
async function give(model: FleetModel, world: World, order: Order): Promise<Answer | null> {
  const { verbId, method, path, isLegal } = order;
  const body = { requestId: verbId, reason: `because of ${verbId}`, ...order.body };
  const answer = await world.ask(method, path, body);
  const { status } = answer;
  if (status < 300) {
    if (!isLegal) throw new Violation(`${path} was taken, which is not legal`);
    model.acknowledged.push({ verbId, method, path, body, status });
    world.note('verb taken');
    return answer;
  }
  model.refused.push(verbId);
  // An order that is not legal is looked up in the repository once more before it is refused.
  const needsStorage = order.readsRepository || !isLegal;
  const isExcused = world.isDatabaseAway || (world.isStorageAway && needsStorage);
  if (status === 503 && isExcused) return null;
  const problem = problemSchema.parse(answer.body);
  if (isLegal) throw new Violation(`${path} was refused, which is legal: ${problem.detail}`);
  demand(`${path}: ${problem.detail}`, problem.code.split('/')[0], 'rollout');
  world.note('verb refused');
  return null;
}

/** A start, to begin in so many hours. */
export function startStep(version: string, policy: PolicySpec | null, inHours: number): Step {
  return stepOf(`start ${version} in ${inHours} h ${shown(policy)}`, async (model, world) => {
    const verbId = model.newId('start');
    const startAt = new Date(model.nowMs + inHours * 3_600_000).toISOString();
    const backTo = policy?.halt?.backTo ?? null;
    const answer = await give(model, world, {
      ...{ verbId, method: 'POST', path: ROLLOUTS, readsRepository: true },
      body: {
        ...PLATFORM,
        version,
        ...(policy === null ? {} : { policy: policyText(policy) }),
        ...(inHours === 0 ? {} : { startAt }),
      },
      isLegal: model.mayStart(version, backTo),
    });
    if (answer === null) return;
    const { id } = rolloutViewSchema.parse(answer.body);
    const start = { id, version, policy: policy ?? EVERYONE, inHours, verbId };
    model.rollouts.push(new RolloutModel(start));
    sameRollout(model, answer, id);
  });
}

export function verbStep(kind: PersonVerb, pick: number): Step {
  return stepOf(
    `${kind} rollout ${pick}`,
    async (model, world) => {
      const rollout = model.pick(pick);
      const verbId = model.newId(kind);
      const answer = await give(model, world, {
        ...{ verbId, method: 'POST', path: `${ROLLOUTS}/${rollout.id}/${kind}`, body: {} },
        ...{ isLegal: model.allows(rollout, kind), readsRepository: false },
      });
      if (answer === null) return;
      rollout.do(kind, verbId);
      sameRollout(model, answer, rollout.id);
    },
    hasRollouts,
  );
}

export function rollBackStep(pick: number, to: string, policy: PolicySpec | null): Step {
  return stepOf(
    `roll rollout ${pick} back to ${to} ${shown(policy)}`,
    async (model, world) => {
      const rollout = model.pick(pick);
      const verbId = model.newId('roll-back');
      const isLegal =
        model.current().includes(rollout) && rollout.allowsWayBack(to, policy ?? EVERYONE);
      const answer = await give(model, world, {
        ...{ verbId, method: 'POST', path: `${ROLLOUTS}/${rollout.id}/roll-back` },
        body: { to, ...(policy === null ? {} : { policy: policyText(policy) }) },
        ...{ isLegal, readsRepository: true },
      });
      if (answer === null) return;
      rollout.sendBack(to, policy ?? EVERYONE, verbId);
      sameRollout(model, answer, rollout.id);
    },
    hasRollouts,
  );
}

/** The rules of the fleet; their freeze is told in hours from now. */
export function rulesStep(spec: RulesSpec): Step {
  return stepOf(`apply ${JSON.stringify(spec)}`, async (model, world) => {
    const { freeze } = spec;
    const atMs = (hours: number) => model.nowMs + hours * 3_600_000;
    const rules =
      freeze === null
        ? spec
        : { ...spec, freeze: { ...freeze, fromMs: atMs(freeze.fromMs), toMs: atMs(freeze.toMs) } };
    const verbId = model.newId('apply-fleet');
    const order = {
      verbId,
      method: 'PUT',
      path: '/api/v1/fleet',
      body: { rules: rulesJson(rules) },
    } as const;
    const answer = await give(model, world, { ...order, isLegal: true, readsRepository: false });
    if (answer === null) return;
    model.rules = rules;
    model.ruleVerbs.push(verbId);
  });
}

/** An order that was acknowledged is sent again: the answer is the same, and nothing more happens. */
export function repeatStep(pick: number): Step {
  return stepOf(
    `repeat order ${pick}`,
    async (model, world) => {
      const order = model.acknowledged[pick % model.acknowledged.length];
      if (order === undefined) return;
      const { method, path, body, status } = order;
      const answer = await world.ask(method, path, body);
      if (answer.status === 503 && world.isDatabaseAway) return;
      demand(`${path} again`, answer.status, status);
      const other = await world.ask(method, path, { ...body, reason: 'something else' });
      if (other.status === 503 && world.isDatabaseAway) return;
      demand(`${path} under the id of another order`, other.status, 409);
    },
    ({ acknowledged }) => acknowledged.length > 0,
  );
}

/** Somebody gives a verb with the rollouts key, past the server, which is told of it. */
export function foreignStep(kind: PersonVerb, pick: number): Step {
  return stepOf(
    `${kind} rollout ${pick} past the server`,
    async (model, world) => {
      const rollout = model.pick(pick);
      const verbId = model.newId('foreign');
      if (!(await world.work(({ commitPending }) => commitPending()))) return;
      const refusals = await world.commitElsewhere({
        ...{ kind, id: verbId, at: world.clock.now, by: 'somebody' },
        ...{ reason: 'past the server', rolloutId: rollout.id },
      });
      demand(`${kind} past the server`, refusals === 0, model.allows(rollout, kind));
      if (refusals === 0) {
        rollout.do(kind, verbId);
        model.foreignVerbs.push(verbId);
      } else model.refused.push(verbId);
      const told = await world.ask('POST', '/api/v1/repository/refresh', {});
      demand('refresh', told.status, 200);
    },
    (model) => hasRollouts(model) && !model.isAway,
  );
}

/** The operators' view that an answer gives of a rollout is the model's. */
function sameRollout(model: FleetModel, { body }: Answer, id: string): void {
  const { state, attempt, sentBackTo, tide } = rolloutViewSchema.parse(body);
  const rollout = model.rollout(id);
  demand(
    'the rollout',
    { state, attempt, sentBackTo, seeds: tide.seeds },
    {
      state: rollout?.state,
      attempt: rollout?.attempt,
      sentBackTo: rollout?.back,
      seeds: rollout?.shownTide(),
    },
  );
}

function shown(policy: PolicySpec | null): string {
  return policy === null ? 'to everyone' : JSON.stringify(policy);
}
