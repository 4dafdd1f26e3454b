import { setTimeout as sleepFor } from 'node:timers/promises';

/** How to wait between two tries; tests wait in their own way. */
export type Patience = {
  readonly sleep?: (ms: number) => Promise<unknown>;
  /** 0 <= n < 1. */
  readonly random?: () => number;
};

const FIRST_MS = 50;
const LONGEST_MS = 2000;

/** Waits for a random time whose limit doubles, so that those who lost together do not meet again. */
export async function pause(attempt: number, patience: Patience): Promise<void> {
  const { sleep = sleepFor, random = Math.random } = patience;
  await sleep(random() * Math.min(LONGEST_MS, FIRST_MS * 2 ** attempt));
}
