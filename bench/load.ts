import { once } from 'node:events';
import { join } from 'node:path';
import { z } from 'zod';
import type { HostKind } from './bench-fleet.ts';
import { firstLine, LOAD_CORE, startPinned } from './pinned-process.ts';

const CHILD = join(import.meta.dirname, 'load-child.ts');

export type LoadOrder = {
  readonly port: number;
  /** The hosts with the indexes 0 to `hosts` - 1, those of this kind. */
  readonly hosts: number;
  readonly kind: HostKind;
  readonly connections: number;
  readonly work: { readonly unit: 'ms' | 'requests'; readonly amount: number };
};

const loadResultSchema = z.object({
  requests: z.number(),
  ms: z.number(),
  /** What the generator itself took of its core. */
  cpuMs: z.number(),
  p50Ms: z.number(),
  p99Ms: z.number(),
});

export type LoadResult = z.infer<typeof loadResultSchema>;

export type LoadGenerator = AsyncDisposable & {
  readonly run: (order: LoadOrder) => Promise<LoadResult>;
};

export async function startLoad(cwd: string): Promise<LoadGenerator> {
  const process = startPinned(LOAD_CORE, [CHILD], { cwd, withIpc: true });
  await firstLine(process);
  return {
    run: async (order) => {
      process.child.send(order);
      const [answer]: unknown[] = await once(process.child, 'message');
      const result = loadResultSchema.safeParse(answer);
      if (!result.success) throw new Error(`the load generator failed: ${JSON.stringify(answer)}`);
      return result.data;
    },
    [Symbol.asyncDispose]: () => process[Symbol.asyncDispose](),
  };
}
