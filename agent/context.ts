import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { withFileLock } from '../adapters/storage/file-lock.ts';
import { StorageError } from '../adapters/storage/storage.ts';
import type { AgentConfig } from './config.ts';
import { AgentError } from './errors.ts';
import { Journal } from './journal.ts';
import { ReportQueue } from './reports.ts';
import { directorySlots } from './slots/directory.ts';
import type { Slots } from './slots/slots.ts';

/** All that a cycle works with. */
export type AgentContext = {
  readonly config: AgentConfig;
  readonly slots: Slots;
  readonly journal: Journal;
  readonly reports: ReportQueue;
  readonly now: () => Date;
  readonly signal?: AbortSignal | undefined;
  /** Told what happens, as it happens. */
  readonly onEvent: (event: string, details: Readonly<Record<string, unknown>>) => void;
};

export function agentContext(
  config: AgentConfig,
  rest: Pick<AgentContext, 'now' | 'signal' | 'onEvent'>,
): AgentContext {
  return {
    config,
    slots: directorySlots(config.slotsFolder),
    journal: new Journal(config.stateFolder),
    reports: new ReportQueue(config.stateFolder),
    ...rest,
  };
}

/** Runs the work as the only agent on its state folder; the lock ends with the process, however it ends. */
export async function asOnlyAgent<T>(
  { stateFolder }: AgentConfig,
  work: () => Promise<T>,
): Promise<T> {
  await mkdir(stateFolder, { recursive: true, mode: 0o700 });
  try {
    return await withFileLock(join(stateFolder, 'lock'), work, { patienceMs: 0 });
  } catch (error) {
    if (error instanceof StorageError && error.code === 'storage/unavailable') {
      throw new AgentError('agent/locked', `another agent works on ${stateFolder}`, {
        cause: error,
      });
    }
    throw error;
  }
}
