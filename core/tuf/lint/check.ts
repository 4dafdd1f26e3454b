import type { Facts } from './facts.ts';

/** Who reads our repositories; `tidegate` is our own agent and tools. */
export const CLIENTS = [
  'tough',
  'updog',
  'python-tuf',
  'go-tuf',
  'tuf-js',
  'rust-tuf',
  'tidegate',
] as const;
export type Client = (typeof CLIENTS)[number];

/** `error`: some client refuses it, is fooled by it, or disagrees with the others. `warning`: it will go wrong one day. */
export type Severity = 'error' | 'warning';

/** A place that breaks a rule: the role (`root`, `1.root` for an old root), and what was found there. */
export type Place = { readonly where: string; readonly what: string };

/** One rule of the profile. `find` says each place that breaks it. */
export type LintCheck = {
  readonly name: string;
  readonly severity: Severity;
  /** What goes wrong with which client if the rule is broken. */
  readonly reason: string;
  /** Who refuses what breaks the rule, or is fooled by it. */
  readonly clients: readonly Client[];
  readonly find: (facts: Facts) => readonly Place[];
};

export type LintFinding = Place & {
  readonly check: string;
  readonly severity: Severity;
  readonly reason: string;
  readonly clients: readonly Client[];
};
