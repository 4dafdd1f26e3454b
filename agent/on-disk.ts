import { errnoOf } from '../adapters/storage/file-errors.ts';
import { AgentError } from './errors.ts';

const FULL: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** Runs a file action; the system's refusals become `agent/full` or `agent/disk`, anything else is thrown as it is. */
export async function onDisk<T>(what: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    const errno = errnoOf(cause);
    if (cause instanceof AgentError || errno === undefined || !/^E[A-Z0-9]+$/.test(errno)) {
      throw cause;
    }
    const code = FULL.has(errno) ? 'agent/full' : 'agent/disk';
    throw new AgentError(code, `${what} failed with ${errno}`, { cause });
  }
}
