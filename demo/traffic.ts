import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { DemoHost } from './hosts.ts';

const cycleSchema = z.object({
  msg: z.literal('cycle'),
  result: z.literal('rolled-back'),
  bytesFetched: z.int(),
});

/** Bytes of images that the hosts fetched in the cycles that took them back, by their own event logs. */
export async function bytesFetchedOnRollback(hosts: readonly DemoHost[]): Promise<number> {
  const logs = await Promise.all(
    hosts.map(({ folder }) => readFile(join(folder, 'agent.log'), 'utf8')),
  );
  return logs
    .flatMap((log) => log.split('\n').filter((line) => line.startsWith('{')))
    .map((line) => cycleSchema.safeParse(JSON.parse(line)))
    .reduce((sum, { data }) => sum + (data?.bytesFetched ?? 0), 0);
}
