import { formatInstant } from '../../core/instant.ts';
import { rolloutListSchema } from '../../core/operator-api.ts';
import type {
  ApplyFleetRequest,
  ChangeRequest,
  RollBackImpactRequest,
  RollBackRequest,
  StartRequest,
} from '../../core/operator-api.ts';
import { groupListSchema } from '../../core/group-view.ts';
import { rolloutViewSchema } from '../../core/rollout-view.ts';
import { fleetRecordSchema, rulesTag } from '../../core/fleet-view.ts';
import { rulesToJson } from '../../core/fleet/write-rules.ts';
import { wayBackImpactSchema } from '../../core/way-back-impact.ts';
import { whySchema } from '../../core/why.ts';
import { callServer } from './call.ts';
import type { ServerTarget } from './call.ts';
import type { RequestIds, RolloutControl } from './control.ts';

/** For what looks at every host of a fleet of millions. */
const SLOW = { timeoutMs: 300_000 };

/** Speaks the operators' API. A request carries its own id, so that sending it again does nothing twice. */
export function serverControl(target: ServerTarget, newRequestId: RequestIds): RolloutControl {
  const post = (path: string, body: StartRequest | ChangeRequest | RollBackRequest) =>
    callServer(target, { method: 'POST', path, body }, rolloutViewSchema);
  const at = (rolloutId: string) => `rollouts/${encodeURIComponent(rolloutId)}`;
  return {
    start: ({ variant, arch, version, policy, startAt, seeds, reason }) =>
      post('rollouts', {
        requestId: newRequestId(),
        variant,
        arch,
        version,
        seeds,
        ...(policy === null ? {} : { policy }),
        ...(startAt === null ? {} : { startAt: formatInstant(startAt) }),
        ...(reason === null ? {} : { reason }),
      }),
    change: (kind, rolloutId, reason) =>
      post(`${at(rolloutId)}/${kind}`, {
        requestId: newRequestId(),
        ...(reason === null ? {} : { reason }),
      }),
    rollBack: ({ rolloutId, version, policy, reason }) =>
      post(`${at(rolloutId)}/roll-back`, {
        requestId: newRequestId(),
        to: version,
        ...(policy === null ? {} : { policy }),
        ...(reason === null ? {} : { reason }),
      }),
    async list() {
      const { rollouts } = await callServer(
        target,
        { method: 'GET', path: 'rollouts' },
        rolloutListSchema,
      );
      return rollouts;
    },
    show: (rolloutId) =>
      callServer(target, { method: 'GET', path: at(rolloutId) }, rolloutViewSchema),
    rollBackImpact({ rolloutId, version: to, policy }) {
      const path = `${at(rolloutId)}/roll-back/impact`;
      const body: RollBackImpactRequest = { to, ...(policy === null ? {} : { policy }) };
      return callServer(target, { method: 'POST', path, body, ...SLOW }, wayBackImpactSchema);
    },
    groups: () => callServer(target, { method: 'GET', path: 'groups', ...SLOW }, groupListSchema),
    fleet: () => callServer(target, { method: 'GET', path: 'fleet' }, fleetRecordSchema),
    applyFleet(rules, { replaces, reason }) {
      const body: ApplyFleetRequest = {
        requestId: newRequestId(),
        rules: rulesToJson(rules),
        ...(reason === null ? {} : { reason }),
      };
      return callServer(
        target,
        { method: 'PUT', path: 'fleet', body, ifMatch: rulesTag(replaces) },
        fleetRecordSchema,
      );
    },
    why: ({ id }) =>
      callServer(target, { method: 'GET', path: `hosts/${encodeURIComponent(id)}/why` }, whySchema),
    async [Symbol.asyncDispose]() {},
  };
}
