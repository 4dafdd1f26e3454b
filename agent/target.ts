import { randomUUID } from 'node:crypto';
import type { Update } from '../core/decide.ts';
import type { AgentState, Target } from './machine-state.ts';

/** The attempt that is under way already, if it is the same; else a new one. */
export function targetOf(state: AgentState, from: string, update: Update): Target {
  const isUnderWay = state.kind === 'available' || state.kind === 'staged';
  if (isUnderWay && isFor(update, state.target)) return state.target;
  const { rolloutId, direction, release, attempt } = update;
  return { id: randomUUID(), rolloutId, from, to: release.version, direction, attempt };
}

/** Whether the order is the one that the attempt follows. */
export function isFor(
  { rolloutId, direction, release }: Update,
  target: Pick<Target, 'rolloutId' | 'direction' | 'to'>,
): boolean {
  return (
    target.rolloutId === rolloutId &&
    target.to === release.version &&
    target.direction === direction
  );
}
