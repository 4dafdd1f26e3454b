import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** An image comes in buffers outside of the heap, which V8 hardly counts: it would let 60 MiB of them gather. */
const COLLECT_AFTER_BYTES = 8 * 1024 * 1024;

/** To be told of every buffer that was used up: has the young generation collected now and then, in less than 1 ms each. */
export function garbageLimit(): (bytes: number) => void {
  // Node gives the collector away only so, or by a flag of whoever starts the program.
  setFlagsFromString('--expose-gc');
  const collect: (options: { readonly type: 'minor' }) => void = runInNewContext('gc');
  let gathered = 0;
  return (bytes) => {
    gathered += bytes;
    if (gathered < COLLECT_AFTER_BYTES) return;
    gathered = 0;
    collect({ type: 'minor' });
  };
}
