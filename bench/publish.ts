import { parseArgs } from 'node:util';
import { benchEdit } from './edit-500.ts';
import { benchImages } from './publish-images.ts';
import { rounded } from './runs.ts';

/**
 * `vsFloor`: publishing 1 GiB over hashing and copying it. `edit500VsTuftool`: a publish into a repository of 12 variants
 * with 500 targets each, over `tuftool update` of the same one; null when tuftool is not on PATH.
 */
export async function benchPublish(
  print: (line: string) => void,
  argv: readonly string[],
): Promise<object> {
  parseArgs({ args: [...argv], options: {} });
  const { vsFloor, peakRssMiB } = await benchImages(print);
  const edit500VsTuftool = await benchEdit(print);
  return {
    vsFloor: rounded(vsFloor),
    peakRssMiB: Math.round(peakRssMiB),
    edit500VsTuftool: edit500VsTuftool === null ? null : rounded(edit500VsTuftool),
  };
}
