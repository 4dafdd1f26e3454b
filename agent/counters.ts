import { join } from 'node:path';
import * as z from 'zod';
import { readChecked, writeChecked } from './durable.ts';

const countersSchema = z.object({
  /** Cycles by how they ended. */
  cycles: z.record(z.string(), z.int().min(0)).readonly(),
  bytesFetched: z.int().min(0),
  /** When a cycle ended, and when one ended without a failure, in ms since the epoch; 0 is never. */
  lastMs: z.int().min(0),
  lastGoodMs: z.int().min(0),
  lastResult: z.string().nullable(),
});

/** What this host's cycles came to, over all its processes. */
export type Counters = z.infer<typeof countersSchema>;

const NONE: Counters = { cycles: {}, bytesFetched: 0, lastMs: 0, lastGoodMs: 0, lastResult: null };

export type Ended = { readonly result: string; readonly bytesFetched: number };

/** Counts one cycle more, durably. What a damaged file held is forgotten: a counter may begin anew at any time. */
export async function countCycle(
  stateFolder: string,
  { result, bytesFetched }: Ended,
  nowMs: number,
): Promise<Counters> {
  const path = join(stateFolder, 'counters.json');
  const read = await readChecked(path, countersSchema);
  const before = read.kind === 'value' ? read.value : NONE;
  const counters = {
    cycles: { ...before.cycles, [result]: (before.cycles[result] ?? 0) + 1 },
    bytesFetched: before.bytesFetched + bytesFetched,
    lastMs: nowMs,
    lastGoodMs: result === 'failed' ? before.lastGoodMs : nowMs,
    lastResult: result,
  };
  await writeChecked(path, counters);
  return counters;
}
