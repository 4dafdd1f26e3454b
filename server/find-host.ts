import type { Host } from '../adapters/state/state.ts';
import type { Context } from './context.ts';
import { RequestError } from './errors.ts';

/** A host that checked in, with what it said last. Throws RequestError if none of this id ever did. */
export async function findHost(
  { state, writeBehind }: Pick<Context, 'state' | 'writeBehind'>,
  id: string,
): Promise<Host> {
  await writeBehind.flush();
  const host = await state.findHost(id);
  if (host !== null) return host;
  throw new RequestError('request/not-there', `no host ${id.slice(0, 200)} was ever seen`);
}
