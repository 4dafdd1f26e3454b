import { isDeepStrictEqual } from 'node:util';
import type { StoredVerb } from '../adapters/state/state.ts';
import type { FleetRules } from '../core/fleet/rules.ts';
import { rulesToJson } from '../core/fleet/write-rules.ts';
import type { FleetVerb } from '../core/plan.ts';
import type { Platform } from '../core/tuf/names.ts';
import { parseVerb } from '../core/verb-json.ts';
import type { SimpleVerb, Verb } from '../core/verb.ts';
import { readPolicy } from '../core/wave-file.ts';
import { RequestError } from './errors.ts';

type StartOrder = Platform & {
  readonly kind: 'start';
  readonly version: string;
  /** The text of a wave policy file; null is everyone at once. */
  readonly policy: string | null;
  /** Null is now. */
  readonly startAt: Date | null;
  readonly seeds: 'stable' | 'shuffled';
};

/** What an operator asks for; `requestId` becomes the id of the verb. */
export type Order = {
  readonly requestId: string;
  readonly by: string;
  readonly reason: string | null;
} & (
  | StartOrder
  | { readonly kind: SimpleVerb; readonly rolloutId: string }
  | {
      readonly kind: 'roll-back';
      readonly rolloutId: string;
      readonly to: string;
      /** As of a start; the clock of the way back begins now. */
      readonly policy: string | null;
    }
);

/** The rules that the fleet shall have from now on. */
export type FleetOrder = {
  readonly requestId: string;
  readonly by: string;
  readonly reason: string | null;
  readonly rules: FleetRules;
  readonly replaces: string | undefined;
};

/** The rollout that the same order concerned before. Throws if it was another order, or came to nothing. */
export function repeated(order: Order, { json, status }: StoredVerb): string {
  const verb = parseVerb(json);
  if (verb.kind === 'apply-fleet' || !isSameOrder(order, verb)) throw conflict(order);
  refuseRejected(order, status);
  return verb.rolloutId;
}

function refuseRejected({ requestId }: Pick<Order, 'requestId'>, status: StoredVerb['status']) {
  if (status.kind !== 'rejected') return;
  throw new RequestError(
    'request/rejected',
    `request ${requestId} was rejected: ${status.message}`,
  );
}

/** Throws unless the verb that is known is the same one, and was not rejected. */
export function refuseOther(verb: FleetVerb, { json, status }: StoredVerb): void {
  const known = parseVerb(json);
  const isSame =
    known.kind === 'apply-fleet' &&
    known.reason === verb.reason &&
    isDeepStrictEqual(rulesToJson(known.rules), rulesToJson(verb.rules));
  if (!isSame) throw conflict({ requestId: verb.id });
  refuseRejected({ requestId: verb.id }, status);
}

function isSameOrder(order: Order, verb: Verb): boolean {
  if (order.reason !== verb.reason) return false;
  if (order.kind === 'start') return verb.kind === 'start' && isSameStart(order, verb);
  if (order.rolloutId !== verb.rolloutId) return false;
  if (order.kind === 'roll-back') {
    return (
      verb.kind === 'roll-back' &&
      order.to === verb.to.version &&
      isDeepStrictEqual(readPolicy(order.policy, verb.at), verb.policy)
    );
  }
  return order.kind === verb.kind;
}

function isSameStart(order: StartOrder, verb: Verb & { readonly kind: 'start' }): boolean {
  const { release, startAt, seeds, policy, at } = verb;
  return (
    order.variant === release.variant &&
    order.arch === release.arch &&
    order.version === release.version &&
    order.seeds === seeds &&
    (order.startAt ?? at).getTime() === startAt.getTime() &&
    isDeepStrictEqual(readPolicy(order.policy, startAt), policy)
  );
}

/** The id names another order already. */
export function conflict({ requestId }: Pick<Order, 'requestId'>): RequestError {
  return new RequestError(
    'request/conflict',
    `request id ${requestId} was used for another request before`,
    { hints: ['use a new request id for a new request'] },
  );
}
