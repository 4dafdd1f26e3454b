import { join } from 'node:path';
import * as z from 'zod';
import { readChecked, writeChecked } from './durable.ts';
import { IDLE, stateSchema } from './machine-state.ts';
import type { AgentState } from './machine-state.ts';

const pollSchema = z.object({ at: z.string(), result: z.string(), reason: z.string().nullable() });

/** How the last cycle ended, for `agent status`. */
export type LastPoll = z.infer<typeof pollSchema>;

/** The agent's state on disk: replaced in one step, so that it is always one that the agent was in. */
export class Journal {
  readonly #statePath: string;
  readonly #pollPath: string;

  constructor(stateFolder: string) {
    this.#statePath = join(stateFolder, 'journal.json');
    this.#pollPath = join(stateFolder, 'last-poll.json');
  }

  /** A lost journal, damaged ones among them, is idle: what is true of the slots is read from the slots. */
  async read(): Promise<{
    readonly state: AgentState;
    readonly isLost: boolean;
    readonly isDamaged: boolean;
  }> {
    const read = await readChecked(this.#statePath, stateSchema);
    return read.kind === 'value'
      ? { state: read.value, isLost: false, isDamaged: false }
      : { state: IDLE, isLost: true, isDamaged: read.kind === 'damaged' };
  }

  async write(state: AgentState): Promise<void> {
    await writeChecked(this.#statePath, state);
  }

  async readLastPoll(): Promise<LastPoll | null> {
    const read = await readChecked(this.#pollPath, pollSchema);
    return read.kind === 'value' ? read.value : null;
  }

  async writeLastPoll(poll: LastPoll): Promise<void> {
    await writeChecked(this.#pollPath, poll);
  }
}
