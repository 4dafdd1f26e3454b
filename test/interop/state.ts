import type { Life, Shown } from './life.ts';

/** A repository state by the name of what made it, on top of the state before it in the list. */
export type State = {
  readonly name: string;
  readonly make: (life: Life) => Promise<unknown>;
  /** What the manifest must say then, so that a state is what its name says. */
  readonly shows: Shown;
  /** Each of so many roots must be a starting point, too. */
  readonly roots?: number;
};
