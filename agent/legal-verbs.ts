import type { AgentState } from './machine-state.ts';

/** What a person, or a program that leads the agent, may ask for. */
export const VERBS = [
  'check',
  'prepare',
  'apply',
  'reboot',
  'confirm',
  'cancel',
  'rollback',
] as const;
export type Verb = (typeof VERBS)[number];

/** The verbs that make sense in a state, in order of the way that a release takes. */
export function legalVerbs(state: AgentState): readonly Verb[] {
  switch (state.kind) {
    case 'idle':
      return ['check', 'rollback'];
    case 'available':
      return ['check', 'prepare', 'cancel', 'rollback'];
    case 'staged':
      return ['check', 'prepare', 'apply', 'cancel', 'rollback'];
    case 'ready':
      return ['check', 'reboot', 'cancel'];
    case 'rebooting':
      return ['reboot', 'cancel'];
    case 'confirming':
      return ['confirm', 'rollback'];
    case 'fallen-back':
      return state.isBack ? ['check'] : ['reboot'];
  }
}
