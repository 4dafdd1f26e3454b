import type { AgentContext } from './context.ts';
import type { Target } from './machine-state.ts';
import { runProgram } from './programs.ts';
import type { Finished } from './programs.ts';

/** Run after a step, at least once: it is told that a thing is so, and keeps nothing from happening. */
export type AfterHook = 'after-confirm' | 'after-failure' | 'after-fallback' | 'after-cancel';
/** Run before a step, which is taken only if the program exits with 0. */
type BeforeHook = 'before-prepare' | 'before-apply' | 'before-reboot';
export type HookName = BeforeHook | AfterHook;

/**
 * Runs the program that the configuration has for it, with what it is about in its environment (docs/agent.md); null if it has
 * none. The end of an agent may make it run again: programs must not mind.
 */
export async function runHook(
  context: Pick<AgentContext, 'config' | 'signal' | 'onEvent'>,
  name: HookName,
  target: Target,
): Promise<Finished | null> {
  const { config, signal, onEvent } = context;
  const { programs, timeoutMs } = config.hooks;
  const program = programs[name];
  if (program === undefined) return null;
  const env = {
    TIDEGATE_HOOK: name,
    TIDEGATE_HOST: config.host.id,
    TIDEGATE_FROM: target.from,
    TIDEGATE_TO: target.to,
    TIDEGATE_DIRECTION: target.direction,
    TIDEGATE_ROLLOUT: target.rolloutId ?? '',
    TIDEGATE_ATTEMPT: target.id,
  };
  const finished = await runProgram(program, { timeoutMs, signal, env });
  onEvent(finished.isGood ? 'hook' : 'hook-failed', { name, message: finished.message });
  return finished;
}
