import type { SlotName } from '../command-protocol.ts';
import type { Probe } from './probe.ts';

/** What the checks work with. The tested slot is the one that does not run. */
export type Subject = {
  readonly probe: Probe;
  readonly slot: SlotName;
  /** The slot that runs; null on a host that runs from neither, where both slots may be written. */
  readonly running: SlotName | null;
  /** Two images that the program has a place for. */
  readonly images: readonly [string, string];
};

/** One duty of a program, under a name that does not change. */
export type Check = {
  readonly name: string;
  readonly duty: string;
  /** Whether it only makes sense where one of the slots runs. */
  readonly needsRunning?: boolean;
  /** Throws `conformance/violation`. */
  readonly run: (subject: Subject) => Promise<void>;
};
